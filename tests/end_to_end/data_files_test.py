"""Data files as users have them: what becomes of labels, quotes and settings from training to evaluation."""

import json
import shutil

import pytest

WORDS = ["dog", "cat", "horse", "bird", "bread", "cheese", "apple", "soup"]


def write(path, rows, header="sentence,label", end="\n"):
    path.write_bytes((end.join([header, *[",".join(map(str, row)) for row in rows]]) + end).encode())
    return path


@pytest.fixture
def train(vcas, tiny_model, tmp_path):
    def run(file, *more, model=tiny_model, out="out", steps=2):
        result = vcas("train", "--model_name_or_path", model, "--train_file", file, "--output_dir", tmp_path / out,
                      "--max_seq_length", 16, "--method", "exact", "--max_steps", steps, *more)  # fmt: skip
        return tmp_path / out, result

    return run


@pytest.fixture
def evaluate(vcas):
    def run(folder, file, *more):
        return vcas("eval", "--model_name_or_path", folder, "--validation_file", file, "--max_seq_length", 16, *more)

    return run


def classes(folder):
    return list(json.loads((folder / "config.json").read_text())["id2label"].values())


def warnings(result, part):
    return [line for line in result.stderr.splitlines() if line.startswith("vcas: warning: ") and part in line]


LABELS = {
    "numbers": (["1", "1.0", " 1", "0"], ["0", "1"]),
    "truth values": (["true", "False", "TRUE", "false"], ["False", "True"]),
    "white space": ([" x", "x", "y", "y "], ["x", "y"]),
}


@pytest.mark.parametrize("name", LABELS)
def test_spellings_of_a_label_are_one_class(train, tmp_path, name):
    labels, expected = LABELS[name]
    out, result = train(write(tmp_path / "t.csv", list(zip(WORDS, labels))))
    assert result.returncode == 0, result.stderr
    assert classes(out) == expected


def test_whole_floats_agree_with_whole_numbers_in_evaluation(train, evaluate, tmp_path):
    rows = [(f"the {word} number {i}", k) for k, word in enumerate(WORDS) for i in range(4)]
    floats = write(tmp_path / "floats.csv", [(text, f"{k}.0") for text, k in rows])
    whole = write(tmp_path / "whole.csv", rows)
    out, result = train(floats, "--validation_file", whole, "--learning_rate", 3e-3, steps=100)
    assert result.returncode == 0, result.stderr
    assert classes(out) == [str(k) for k in range(len(WORDS))]
    assert len(warnings(result, "written as floats")) == 1
    results = [evaluate(out, file) for file in (floats, whole)]
    assert results[0].returncode == 0, results[0].stderr
    assert results[0].stdout == results[1].stdout
    assert json.loads(results[0].stdout)["accuracy"] == json.loads(result.stdout)["eval_accuracy"] > 0.5


def test_the_problem_type_settles_what_numbers_mean(train, tmp_path):
    flag = ["--problem_type", "single_label_classification"]
    out, result = train(write(tmp_path / "t.csv", list(zip(WORDS, ["1.0", "2.0"]))), *flag)
    assert result.returncode == 0 and not warnings(result, "floats"), result.stderr
    out, result = train(write(tmp_path / "s.csv", list(zip(WORDS, ["4.75", "0.0", "5"]))), *flag, out="scores")
    assert result.returncode == 0, result.stderr
    assert classes(out) == ["0", "4.75", "5"]


def rename_classes(folder, names):
    path = folder / "config.json"
    config = json.loads(path.read_text())
    config["id2label"] = dict(enumerate(names))
    config["label2id"] = {name: i for i, name in enumerate(names)}
    path.write_text(json.dumps(config))
    return folder


def test_a_base_model_with_the_same_names_keeps_their_order(train, evaluate, tmp_path):
    rows = [(f"the {word} number {i}", "positive" if k % 2 else "negative") for k, word in enumerate(WORDS) for i in range(4)]
    data = write(tmp_path / "t.csv", rows)
    first, result = train(data, "--learning_rate", 3e-3, out="first", steps=40)
    assert result.returncode == 0, result.stderr
    swapped = rename_classes(shutil.copytree(first, tmp_path / "swapped"), ["positive", "negative"])
    before = json.loads(evaluate(swapped, data).stdout)["accuracy"]
    on, result = train(data, "--validation_file", data, "--learning_rate", 1e-12, model=swapped, out="on", steps=1)
    assert result.returncode == 0, result.stderr
    assert classes(on) == ["positive", "negative"]
    assert json.loads(result.stdout)["eval_accuracy"] == before
    assert not warnings(result, "label")
    others = rename_classes(shutil.copytree(first, tmp_path / "others"), ["bad", "good"])
    _, result = train(data, model=others, out="renamed", steps=1)
    assert result.returncode == 0, result.stderr
    assert len(warnings(result, "'bad', 'good'")) == 1
    assert len(warnings(result, "'negative', 'positive'")) == 1


def test_ids_stand_for_names_where_no_name_is_a_number(train, evaluate, tmp_path):
    names, _ = train(write(tmp_path / "names.csv", [("dog", "no"), ("cat", "yes")]), out="names")
    ids = write(tmp_path / "ids.csv", [("dog", 0), ("cat", "1.0")])
    assert evaluate(names, ids).returncode == 0
    numbers, _ = train(write(tmp_path / "numbers.csv", [("dog", "10"), ("cat", "20")]), out="numbers")
    refused = evaluate(numbers, ids)
    assert refused.returncode == 2
    assert "ids.csv:2: expected a known label (10, 20), got '0'" in refused.stderr


def test_labels_that_may_mean_two_classes(train, evaluate, tmp_path):
    out, _ = train(write(tmp_path / "t.csv", [("dog", "1 star"), ("cat", "2 stars"), ("bird", "3 stars")]))
    refused = evaluate(out, write(tmp_path / "shifted.csv", [("cat", 2), ("dog", 1)]))
    assert refused.returncode == 2
    assert "shifted.csv:2: expected the name of one class, got '2', which may mean '3 stars' (id 2) or '2 stars' (id 1)" in refused.stderr
    twice = rename_classes(shutil.copytree(out, tmp_path / "twice"), ["a", "a", "b"])
    known = write(tmp_path / "known.csv", [("dog", "b")])
    assert evaluate(twice, known, "--predictions", tmp_path / "p.csv").returncode == 0
    assert "ids 0 and 1" in evaluate(twice, known, "--predictions", tmp_path / "p.json").stderr
    refused = evaluate(twice, write(tmp_path / "unclear.csv", [("dog", "a")]))
    assert refused.returncode == 2 and "'a' (id 0) or 'a' (id 1)" in refused.stderr


def test_a_resumed_run_has_the_same_texts_and_labels(train, tmp_path):
    rows = [("a dog", "x"), ("a cat", "y"), ("a bird", "x"), ("a fish", "y")]
    data = write(tmp_path / "t.csv", rows)
    more = ["--save_strategy", "steps", "--save_steps", "1"]
    out, result = train(data, *more)
    assert result.returncode == 0, result.stderr
    resume = [*more, "--resume_from_checkpoint", out / "checkpoint-1"]
    assert train(data, *resume)[1].returncode == 0
    for changed, part in [
        ([("a cat", "x"), *rows[1:]], "training data"),  # as many tokens
        ([("a DOG", "x"), *rows[1:]], "training data"),  # equal tokens
        ([("a dog", "y"), ("a cat", "x"), *rows[2:]], "training data"),
        ([(text, label.upper()) for text, label in rows], "classes of the run"),
    ]:
        _, result = train(write(tmp_path / "t.csv", changed), *resume)
        assert result.returncode == 2
        assert part in result.stderr


def test_quotes_of_a_tsv_file(train, tmp_path):
    quoted = tmp_path / "quoted.tsv"
    quoted.write_text('sentence\tlabel\n"dog ""good""\nold"\tx\nold bread\ty\n')
    _, result = train(quoted)
    assert result.returncode == 0, result.stderr
    assert len(warnings(result, "quoted.tsv: read as quoted fields")) == 1
    _, result = train(quoted, "--quoting", "raw", out="raw")
    assert result.returncode == 2 and "quoted.tsv:2" in result.stderr
    glue = tmp_path / "glue.tsv"
    glue.write_text('sentence\tlabel\n"the dog said\tx\nthe "old" bread\ty\n')
    _, result = train(glue, out="glue")
    assert result.returncode == 0, result.stderr
    assert len(warnings(result, "glue.tsv: quotes are taken for characters")) == 1
    _, result = train(glue, "--quoting", "quoted", out="strict")
    assert result.returncode == 2 and "glue.tsv:2" in result.stderr


def test_empty_rows_are_left_out_and_said(train, vcas, tmp_path):
    data = write(tmp_path / "t.csv", [("dog", "x"), ("cat", "y"), ("", ""), ("", "")])
    out, result = train(data)
    assert result.returncode == 0, result.stderr
    assert classes(out) == ["x", "y"]
    assert len(warnings(result, "t.csv: 2 rows of empty fields left out, the first on line 4")) == 1


def test_evaluation_otherwise_than_training_is_said(train, vcas, tmp_path):
    rows = [("a dog", "the dog", 0), ("a cat", "a house", 1)]
    pairs = write(tmp_path / "p.csv", rows, header="sentence,second,label")
    out, result = train(pairs, "--text_pair_column", "second")
    assert result.returncode == 0, result.stderr
    arguments = ["eval", "--model_name_or_path", out, "--validation_file", pairs]
    same = vcas(*arguments, "--max_seq_length", 16, "--text_pair_column", "second")
    assert same.returncode == 0 and not warnings(same, ""), same.stderr
    alone = vcas(*arguments, "--max_seq_length", 16)
    assert alone.returncode == 0 and len(warnings(alone, "--text_pair_column")) == 1, alone.stderr
    longer = vcas(*arguments, "--max_seq_length", 32, "--text_pair_column", "second")
    assert longer.returncode == 0 and len(warnings(longer, "--max_seq_length 32: the model was trained with 16")) == 1
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    assert AutoModelForSequenceClassification.from_pretrained(out).config.num_labels == 2
    assert AutoTokenizer.from_pretrained(out)("a dog")["input_ids"]


FILES = {
    "t.json": b'[\n {"sentence": "dog", "label": true},\n {"sentence": "cat", "label": false, "n": NaN}\n]\n',
    "cr.csv": b"sentence,label\rdog,True\rcat,False\r",
    "excel.csv": b'\xef\xbb\xbfsentence,label,,\r\n"dog, a",true,,\r\nhe said "cat",false,,\r\n  \r\n,,,\r\n',
}


@pytest.mark.parametrize("name", FILES)
def test_files_that_datasets_reads(train, tmp_path, name):
    (tmp_path / name).write_bytes(FILES[name])
    out, result = train(tmp_path / name, "--validation_file", tmp_path / name)
    assert result.returncode == 0, result.stderr
    assert classes(out) == ["False", "True"]


def test_predictions_as_json(train, evaluate, tmp_path):
    data = write(tmp_path / "t.csv", [("dog", "x"), ("cat", "y")])
    out, _ = train(data)
    result = evaluate(out, data, "--predictions", tmp_path / "p.json")
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in (tmp_path / "p.json").read_text().splitlines()]
    assert [line["id"] for line in lines] == [0, 1]

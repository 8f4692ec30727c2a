"""Wrong input: exit status 2, one clear message that names file, line or key, and a disk that is as it was."""

import hashlib
import json
import shutil
import struct

import numpy
import pytest
from safetensors.numpy import load_file, save_file


def tree(folder):
    """Every file below a folder with its content."""
    return {
        str(path.relative_to(folder)): hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else "folder"
        for path in sorted(folder.rglob("*"))
    }


@pytest.fixture
def workplace(tmp_path, tiny_model):
    """A model and data of the test's own, to be spoilt."""
    shutil.copytree(tiny_model, tmp_path / "model")
    (tmp_path / "train.csv").write_text("sentence,label\n" + "a dog,animal\nsome bread,food\n" * 8)
    (tmp_path / "dev.csv").write_text("sentence,label\na cat,animal\n")
    return tmp_path


def arguments_of(workplace, *more, train_file="train.csv", validation_file="dev.csv"):
    return [
        "train", "--model_name_or_path", workplace / "model", "--train_file", workplace / train_file,
        "--validation_file", workplace / validation_file, "--output_dir", workplace / "out", "--max_steps", "2",
        "--max_seq_length", "32", *more,
    ]  # fmt: skip


def assert_refused(vcas, workplace, arguments, *mentions):
    before = tree(workplace)
    result = vcas(*arguments)
    assert result.returncode == 2, (result.returncode, result.stderr)
    assert result.stdout == ""
    messages = [line for line in result.stderr.splitlines() if not line.startswith("vcas: warning:")]
    assert messages[0].startswith("vcas: ")
    assert sum(line.startswith("vcas: ") for line in messages) == 1
    for mention in mentions:
        assert mention in result.stderr, result.stderr
    assert tree(workplace) == before


# Flags and keys: what is given, and what the message must name.
FLAGS = [
    (["--lerning_rate", "1"], ["--lerning_rate", "--learning_rate"]),
    (["--max-stepz=3"], ["max_stepz", "--max_steps"]),
    (["--learning_rate", "fast"], ["--learning_rate", "> 0", "fast"]),
    (["--learning_rate", "-1"], ["--learning_rate", "> 0", "-1"]),
    (["--learning_rate", "nan"], ["--learning_rate", "nan"]),
    (["--learning_rate", "inf"], ["--learning_rate", "inf"]),
    (["--max_steps", "1.5"], ["--max_steps", "integer", "1.5"]),
    (["--max_steps", "0"], ["--max_steps", "0"]),
    (["--max_steps", "99999999999999999999"], ["--max_steps", "99999999999999999999"]),
    (["--seed", "-1"], ["--seed", "-1"]),
    (["--per_device_train_batch_size", "0"], ["--per_device_train_batch_size", "[1, 1000000]", "0"]),
    (["--per_device_train_batch_size", "1000000000"], ["--per_device_train_batch_size", "[1, 1000000]"]),
    (["--num_train_epochs", "1e300", "--max_steps", "-1"], ["--num_train_epochs", "1000000"]),
    (["--max_steps", "9000000000000"], ["--max_steps", "1000000000"]),
    (["--do_train"], ["--do_train", "--help"]),
    (["--adam_beta1", "1"], ["--adam_beta1", "[0, 1)", "1"]),
    (["--warmup_ratio", "2"], ["--warmup_ratio", "[0, 1]", "2"]),
    (["--act_var_tau", "0"], ["--act_var_tau", "(0, 1]", "0"]),
    (["--w_var_tau", "1.5"], ["--w_var_tau", "(0, 1]", "1.5"]),
    (["--cal_var_freq", "3", "--cal_var_m", "4"], ["--cal_var_freq", "--cal_var_m, which is 4", "3"]),
    (["--cal_var_m", "1"], ["--cal_var_m", "[2, 15]", "1"]),
    (["--cal_var_stretch", "0"], ["--cal_var_stretch", "[1, 1000000]", "0"]),
    (["--method", "vcaz"], ["--method", "vcas", "exact", "sb", "ub", "vcaz"]),
    (["--sb_beta", "-1"], ["--sb_beta", ">= 0", "-1"]),
    (["--sb_history_size", "0"], ["--sb_history_size", ">= 1", "0"]),
    (["--ub_keep_ratio", "0"], ["--ub_keep_ratio", "(0, 1]", "0"]),
    (["--task", "mlm"], ["mlm", "not available", "text-classification"]),
    (["--task", "clm"], ["clm", "not available", "text-classification"]),
    (["--task", "image-classification"], ["image-classification", "not available", "text-classification"]),
    (["--controller", "solv"], ["--controller", "solve", "paper", "solv"]),
    (["--draw", "systematic"], ["--draw", "fixed", "bernoulli", "systematic"]),
    (["--save_strategy", "step"], ["--save_strategy", "steps", "epoch", "step"]),
    (["--overwrite_output_dir", "maybe"], ["--overwrite_output_dir", "true or false", "maybe"]),
    (["--dataset", "wordnet-nouns"], ["--dataset", "--train_file"]),
    (["--problem_type", "regression"], ["--problem_type", "regression", "not available", "single_label_classification"]),
    (["--problem_type", "multi_label_classification"], ["--problem_type", "multi_label_classification", "not available"]),
    (["--quoting", "never"], ["--quoting", "auto", "quoted", "raw", "never"]),
    (["--max_seq_length", "65"], ["max_seq_length", "64", "65"]),
    (["--text_pair_column", "sentence", "--max_seq_length", "2"], ["max_seq_length", "3 to 64", "2"]),
    (["--learning_rate"], ["learning_rate"]),
    (["stray"], ["stray"]),
    (["--config", "nowhere.toml"], ["nowhere.toml"]),
    (["--resume_from_checkpoint", "/nowhere/checkpoint-3"], ["/nowhere/checkpoint-3"]),
]


@pytest.mark.parametrize(("flags", "mentions"), FLAGS, ids=[" ".join(flags) for flags, _ in FLAGS])
def test_flags(vcas, workplace, flags, mentions):
    assert_refused(vcas, workplace, arguments_of(workplace, *flags), *mentions)


TOML = [
    ("lerning_rate = 1", ["run.toml:1", "lerning_rate", "learning_rate"]),
    ('\nmax_steps = "three"', ["run.toml:2", "max_steps", "three"]),
    ("learning_rate = true", ["run.toml:1", "learning_rate", "true"]),
    ("max_steps = 1.5", ["run.toml:1", "max_steps", "1.5"]),
    ("method = 3", ["run.toml:1", "method", "3"]),
    ("overwrite_output_dir = 1", ["run.toml:1", "overwrite_output_dir", "1"]),
    ("adam_beta2 = 1.5", ["run.toml:1", "adam_beta2", "[0, 1)", "1.5"]),
    ("[train]\nmax_steps = 3", ["run.toml:1", "train", "table"]),
    ("seed = [1, 2]", ["run.toml:1", "seed", "list"]),
    ("seed = 1\nseed = 2", ["run.toml:2"]),
    ("seed = ", ["run.toml:1"]),
]


@pytest.mark.parametrize(("content", "mentions"), TOML, ids=[content for content, _ in TOML])
def test_configuration_files(vcas, workplace, content, mentions):
    (workplace / "run.toml").write_text(content + "\n")
    assert_refused(vcas, workplace, arguments_of(workplace, "--config", workplace / "run.toml"), *mentions)


# Training files: name, bytes, what the message must name.
TABLES = [
    ("train.csv", None, ["train.csv"]),
    ("train.csv", b"", ["train.csv"]),
    ("train.csv", b"sentence,label\n", ["train.csv"]),
    ("train.csv", b"sentence,label\na,x\nb,y,z\n", ["train.csv:3", "2", "3"]),
    ("train.csv", b'sentence,label\n"a,x\nb,y\n', ["train.csv"]),
    ("train.csv", b'sentence,label\n"a"b,x\nb,y\n', ["train.csv:2"]),
    ("train.csv", b"sentense,label\na,x\nb,y\n", ["train.csv", "sentence", "sentense"]),
    ("train.csv", b"sentence,label\na,x\n\xff,y\n", ["train.csv:3", "UTF-8"]),
    ("train.csv", b"sentence,label\na,x\nb,x\n", ["train.csv", "one class", "x"]),
    ("train.tsv", b"sentence\tlabel\na\tx\nb\n", ["train.tsv:3"]),
    ("train.jsonl", b'{"sentence": "a", "label": 0}\n{"sentence": "b"}\n', ["train.jsonl:2", "label"]),
    ("train.jsonl", b'{"sentence": "a", "label": 0}\n{"sentence": \n', ["train.jsonl:2"]),
    ("train.txt", b"a\n", ["train.txt", ".csv", ".tsv", ".jsonl", ".json"]),
    ("train.csv", b"sentence,label\na,x\nb,\n", ["train.csv:3", "'label'", "expected a class, got nothing"]),
    ("train.csv", b"sentence,label\na,1\nb,NA\n", ["train.csv:3", "'label'", "'NA'", "missing"]),
    ("train.csv", b"sentence,label\na,1\nb,4.75\n", ["train.csv:3", "'label'", "4.75", "regression", "--problem_type"]),
    ("train.csv", b"sentence;label\na;x\nb;y\n", ["train.csv:1", "did you mean", "';'"]),
    ("train.csv", b"sentence,label\n,\n,\n", ["train.csv", "row"]),
    ("train.csv", "sentence,label\na,x\nb,y\n".encode("utf-16"), ["train.csv:1", "UTF-16", "UTF-8"]),
    ("train.jsonl", b'{"sentence": "a", "label": 0}\n{"sentence": "b", "label": null}\n', ["train.jsonl:2", "null"]),
    ("train.json", b'[{"sentence": "a", "label": 0},\n{"sentence": true, "label": 1}]', ["train.json:2", "sentence", "true"]),
]


@pytest.mark.parametrize(("name", "content", "mentions"), TABLES)
def test_training_files(vcas, workplace, name, content, mentions):
    (workplace / name).unlink(missing_ok=True)
    if content is not None:
        (workplace / name).write_bytes(content)
    assert_refused(vcas, workplace, arguments_of(workplace, train_file=name), *mentions)


def test_a_missing_pair_column(vcas, workplace):
    arguments = arguments_of(workplace, "--text_pair_column", "hypothesis")
    assert_refused(vcas, workplace, arguments, "train.csv", "hypothesis")


def test_an_unknown_label_in_evaluation(vcas, workplace):
    (workplace / "dev.csv").write_text("sentence,label\na cat,animal\na pear,fruit\n")
    assert_refused(vcas, workplace, arguments_of(workplace), "dev.csv:3", "fruit", "animal")


# config.json: key, its new value (None: taken out), what the message must name.
CONFIG = [
    ("hidden_size", None, ["model.safetensors", "embeddings.LayerNorm.bias: expected shape [768], got [32]"]),
    ("hidden_size", "32", ["config.json", "hidden_size"]),
    ("hidden_size", -32, ["config.json", "hidden_size"]),
    ("num_attention_heads", 5, ["config.json", "num_attention_heads"]),
    ("hidden_act", "relu6", ["config.json", "hidden_act", "relu6"]),
    ("hidden_dropout_prob", 1.5, ["config.json", "hidden_dropout_prob"]),
    ("model_type", "roberta", ["config.json", "model_type", "roberta", "bert"]),
    ("model_type", None, ["config.json", "model_type"]),
    ("vocab_size", 100, ["vocab_size"]),
    ("position_embedding_type", "relative_key", ["config.json", "position_embedding_type", "relative_key"]),
    ("is_decoder", True, ["config.json", "is_decoder"]),
]


@pytest.mark.parametrize(("key", "value", "mentions"), CONFIG)
def test_model_configurations(vcas, workplace, key, value, mentions):
    path = workplace / "model" / "config.json"
    config = json.loads(path.read_text())
    config.pop(key, None)
    if value is not None:
        config[key] = value
    path.write_text(json.dumps(config))
    assert_refused(vcas, workplace, arguments_of(workplace), *mentions)


def test_a_configuration_that_is_no_json(vcas, workplace):
    (workplace / "model" / "config.json").write_text('{"hidden_size": 32,\n "hidden_size": 32}')
    assert_refused(vcas, workplace, arguments_of(workplace), "config.json:2", "hidden_size")


def header_of(data):
    length = struct.unpack("<Q", data[:8])[0]
    return json.loads(data[8 : 8 + length]), data[8 + length :]


def with_header(header, data):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + data


def overlapping(data):
    header, payload = header_of(data)
    names = [name for name in header if name != "__metadata__"]
    header[names[0]]["data_offsets"] = header[names[1]]["data_offsets"]
    return with_header(header, payload)


def duplicated(data):
    header, payload = header_of(data)
    text = json.dumps(header).encode()
    name = next(name for name in header if name != "__metadata__")
    entry = json.dumps({name: header[name]}).encode()
    return with_header(text[:-1] + b", " + entry[1:], payload)


SAFETENSORS = [
    ("truncated", lambda data: data[:-100]),
    ("surplus bytes", lambda data: data + b"\0" * 8),
    ("empty", lambda data: b""),
    ("header length near 2^64", lambda data: struct.pack("<Q", 2**64 - 1) + data[8:]),
    ("header longer than the file", lambda data: struct.pack("<Q", len(data)) + data[8:]),
    ("header is no JSON", lambda data: data[:8] + b"x" + data[9:]),
    ("overlapping tensors", overlapping),
    ("duplicate keys", duplicated),
]


@pytest.mark.parametrize(("name", "spoil"), SAFETENSORS, ids=[name for name, _ in SAFETENSORS])
def test_safetensors_files(vcas, workplace, name, spoil):
    path = workplace / "model" / "model.safetensors"
    path.write_bytes(spoil(path.read_bytes()))
    assert_refused(vcas, workplace, arguments_of(workplace), "model.safetensors")


def edit_tensors(workplace, edit):
    path = workplace / "model" / "model.safetensors"
    tensors = load_file(path)
    edit(tensors)
    save_file(tensors, path, {"format": "pt"})


WORD_EMBEDDINGS = "embeddings.word_embeddings.weight"
QUERY = "encoder.layer.0.attention.self.query.weight"


def test_missing_tensors_are_each_named(vcas, workplace):
    def remove(tensors):
        del tensors[WORD_EMBEDDINGS], tensors[QUERY]

    edit_tensors(workplace, remove)
    assert_refused(vcas, workplace, arguments_of(workplace), WORD_EMBEDDINGS, QUERY)


def test_wrong_shapes_and_dtypes(vcas, workplace):
    edit_tensors(workplace, lambda tensors: tensors.update({QUERY: tensors[QUERY][:-1].copy()}))
    assert_refused(vcas, workplace, arguments_of(workplace), QUERY, "31", "32")
    edit_tensors(workplace, lambda tensors: tensors.update({QUERY: numpy.zeros((32, 32), numpy.int64)}))
    assert_refused(vcas, workplace, arguments_of(workplace), QUERY)


def test_a_folder_that_is_no_model(vcas, workplace):
    for name in ["nowhere", "empty"]:
        if name == "empty":
            (workplace / name).mkdir()
        arguments = [workplace / name if part == workplace / "model" else part for part in arguments_of(workplace)]
        assert_refused(vcas, workplace, arguments, name)
    (workplace / "model" / "tokenizer.json").unlink()
    (workplace / "model" / "vocab.txt").unlink()
    assert_refused(vcas, workplace, arguments_of(workplace), "tokenizer.json", "vocab.txt")


def test_a_missing_head_is_named_once_and_surplus_tensors_are_a_warning(vcas, workplace):
    edit_tensors(workplace, lambda tensors: tensors.update(surplus=numpy.ones(2, numpy.float32)))
    result = vcas(*arguments_of(workplace))
    assert result.returncode == 0, result.stderr
    assert result.stderr.count("classifier.weight") == 1
    assert sum("surplus" in line for line in result.stderr.splitlines()) == 1
    assert "position_ids" not in result.stderr


def test_eval_needs_the_head(vcas, workplace):
    arguments = ["eval", "--model_name_or_path", workplace / "model", "--validation_file", workplace / "dev.csv",
                 "--max_seq_length", "32"]  # fmt: skip
    (workplace / "dev.csv").write_text("sentence,label\na cat,0\n")
    assert_refused(vcas, workplace, arguments, "classifier.weight")


def test_eval_refuses_a_place_where_predictions_cannot_lie(vcas, workplace):
    arguments = ["eval", "--model_name_or_path", workplace / "model", "--validation_file", workplace / "dev.csv"]
    assert_refused(vcas, workplace, [*arguments, "--predictions", workplace / "no" / "p.csv"], "--predictions")
    assert_refused(vcas, workplace, [*arguments, "--predictions", workplace / "p.txt"], "p.txt")


def test_names_that_no_file_can_have(vcas, workplace):
    (workplace / "loop").symlink_to("loop")
    def refused(*mentions, model="model", predictions="p.csv"):
        arguments = ["eval", "--model_name_or_path", workplace / model, "--validation_file", workplace / "train.csv",
                     "--predictions", workplace / predictions]  # fmt: skip
        assert_refused(vcas, workplace, arguments, *mentions)

    for name, reason in [("n" * 300, "File name too long"), ("loop", "Too many levels of symbolic links")]:
        refused(name, reason, model=name)
        refused(name, reason, predictions=name + "/p.csv")
    refused("File name too long", predictions="n" * 300 + ".csv")


def test_an_output_dir_that_holds_another_run(vcas, workplace):
    assert vcas(*arguments_of(workplace)).returncode == 0
    mentions = ["out", "--resume_from_checkpoint", "--overwrite_output_dir"]
    assert_refused(vcas, workplace, arguments_of(workplace), *mentions)


def test_output_dirs_that_cannot_be_one(vcas, workplace):
    (workplace / "out").write_text("a file")
    assert_refused(vcas, workplace, arguments_of(workplace), "output_dir", "file")
    (workplace / "out").unlink()
    arguments = [workplace / "model" if part == workplace / "out" else part for part in arguments_of(workplace)]
    assert_refused(vcas, workplace, [*arguments, "--overwrite_output_dir"], "output_dir", "which it would write into")


def test_a_checkpoint_that_is_damaged_or_of_another_run(vcas, workplace):
    arguments = arguments_of(workplace, "--save_strategy", "steps", "--save_steps", "1")
    assert vcas(*arguments).returncode == 0
    resume = ["--resume_from_checkpoint", workplace / "out" / "checkpoint-1"]
    assert_refused(vcas, workplace, [*arguments, *resume, "--seed", "9"], "seed", "42", "9")
    with (workplace / "out" / "checkpoint-1" / "optimizer.safetensors").open("ab") as file:
        file.write(b"x")
    assert_refused(vcas, workplace, [*arguments, *resume], "checkpoint-1", "optimizer.safetensors")


@pytest.mark.parametrize("command", [["trian"], ["train"], [], ["eval"], ["info", "--all"], ["compare"]])
def test_commands(vcas, workplace, command):
    assert_refused(vcas, workplace, command)


def test_a_non_finite_loss_stops_with_step_and_batch_and_the_last_checkpoint_intact(vcas, workplace):
    arguments = arguments_of(workplace, "--method", "exact", "--save_strategy", "steps", "--save_steps", "1",
                             "--max_grad_norm", "0", "--learning_rate", "1e37", "--max_steps", "20")  # fmt: skip
    result = vcas(*arguments)
    assert result.returncode == 1, result.stderr
    message = result.stderr.splitlines()[-1]
    assert "finite" in message
    assert "step " in message
    assert "examples " in message
    checkpoints = list((workplace / "out").glob("checkpoint-*"))
    step = int(message.split("step ")[1].split(":")[0])
    assert {path.name for path in checkpoints} == {f"checkpoint-{done}" for done in range(1, step)}
    assert not (workplace / "out" / "summary.json").exists()
    for path in checkpoints:
        manifest = json.loads((path / "manifest.json").read_text())
        assert manifest
        load_file(path / "optimizer.safetensors")

"""The examples run as their first lines say, shortened."""

import csv
import importlib
import os
import subprocess
import sys
import types
from pathlib import Path

import pytest
import transformers
from hugging_face_support import tiny_bert

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
# Two processes on one core each: tiny models gain nothing from threads.
ENVIRONMENT = {**os.environ, "OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}


def run(*command: object) -> str:
    done = subprocess.run([str(part) for part in command], capture_output=True, text=True, env=ENVIRONMENT, timeout=300)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def final_loss(output: str) -> float:
    return float([line for line in output.splitlines() if line.startswith("step")][-1].split("loss ")[1].split(",")[0])


def test_the_plain_loop_learns_and_leaves_samples_out():
    output = run(sys.executable, EXAMPLES / "run_plain.py", "--steps", 150, "--cal_var_freq", 20)
    assert final_loss(output) < 0.5
    kept = output.splitlines()[-1].split("by block ")[1].split(";")[0]
    assert any(ratio.strip() != "100%" for ratio in kept.split(","))


def test_lora_trains_the_adapters_only():
    output = run(sys.executable, EXAMPLES / "run_lora.py", "--steps", 50, "--cal_var_freq", 8)
    # 4 blocks, 2 linears, matrices A and B; the head's weight and bias.
    assert "18 weights had gradients" in output


def test_two_processes_keep_the_same_ratios_and_weights():
    output = run(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", 2,
                 EXAMPLES / "run_accelerate.py", "--texts", 1600, "--cal_var_freq", 8)
    assert "2 processes, same ratios and weights: True" in output
    assert int(output.splitlines()[-1].split()[0]) >= 3
    assert any(ratio.strip() != "100%" for ratio in output.splitlines()[-2].split("by block ")[1].split(","))


TEXTS = [("a gripping film", "positive"), ("lovely scenes", "positive"), ("a dull film", "negative"),
         ("awful scenes", "negative")] * 12


@pytest.fixture
def model_folder(tmp_path):
    words = sorted({word for text, _ in TEXTS for word in text.split()})
    folder = tmp_path / "model"
    folder.mkdir()
    (folder / "vocab.txt").write_text("\n".join(["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *words]) + "\n")
    transformers.BertTokenizer(vocab=str(folder / "vocab.txt")).save_pretrained(folder)
    tiny_bert(num_labels=2).save_pretrained(folder)
    return folder


def write_texts(path):
    with path.open("w", newline="") as file:
        writer = csv.writer(file, delimiter="\t" if path.suffix == ".tsv" else ",")
        writer.writerows([("sentence", "label"), *TEXTS])
    return path


def test_run_glue_trains_evaluates_and_predicts_on_local_files(tmp_path, model_folder):
    train, dev = write_texts(tmp_path / "train.csv"), write_texts(tmp_path / "dev.tsv")
    output = tmp_path / "out"
    run(sys.executable, EXAMPLES / "run_glue.py", "--model_name_or_path", model_folder, "--train_file", train,
        "--validation_file", dev, "--test_file", dev, "--do_train", "--do_eval", "--do_predict", "--output_dir", output,
        "--max_steps", 60, "--learning_rate", "3e-3", "--cal_var_freq", 8, "--use_cpu", "--report_to", "none")
    predictions = [line.split("\t")[1] for line in (output / "predict_results.txt").read_text().splitlines()[1:]]
    assert predictions == [label for _, label in TEXTS]
    assert "eval_accuracy" in (output / "all_results.json").read_text()
    model = transformers.AutoModelForSequenceClassification.from_pretrained(output)
    assert model.config.id2label == {0: "negative", 1: "positive"}


@pytest.fixture
def glue_data(monkeypatch):
    monkeypatch.syspath_prepend(str(EXAMPLES))
    return importlib.import_module("glue_data")


def test_glue_tasks_are_read_by_the_package_datasets(glue_data, monkeypatch):
    asked = []
    part = {"premise": ["a"], "hypothesis": ["b"], "label": [2]}

    def load_dataset(*names):
        asked.append(names)
        return {name: part for name in ("train", "validation_matched", "test_matched")}

    monkeypatch.setitem(sys.modules, "datasets", types.SimpleNamespace(load_dataset=load_dataset))
    parts = glue_data.read_glue("mnli")
    assert asked == [("nyu-mll/glue", "mnli")]
    assert parts["validation"] == glue_data.Texts([("a", "b")], [2])


@pytest.mark.parametrize(("values", "names", "ids"), [
    (["b", "a", "b"], ["a", "b"], [1, 0, 1]),
    (["10", "9"], ["9", "10"], [1, 0]),
    ([1, 0], ["0", "1"], [1, 0]),
])
def test_labels_are_names_or_numbers_of_classes(glue_data, values, names, ids):
    labels = glue_data.Labels(values)
    assert labels.names == names
    assert [labels(value) for value in values] == ids
    with pytest.raises(ValueError, match="expected one of the training file's"):
        labels("new")


def test_floating_point_labels_make_a_regression(glue_data):
    labels = glue_data.Labels([0.5, 3.0])
    assert labels.is_regression
    assert labels(0.5) == 0.5


@pytest.mark.parametrize(("name", "content", "message"), [
    ("texts.txt", "a", "expected a file that ends in"),
    ("texts.csv", "sentence,label\n", "expected rows of texts, got none"),
    ("texts.jsonl", '{"label": 1}\n', "expected a column of texts beside label"),
])
def test_bad_files_are_named(glue_data, tmp_path, name, content, message):
    (tmp_path / name).write_text(content)
    with pytest.raises(ValueError, match=message):
        glue_data.read_file(str(tmp_path / name))

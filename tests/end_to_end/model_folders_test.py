"""Model folders as they are published, against transformers: equal probabilities, or one message that says what is wrong."""

import json
import math
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy
import pytest
from safetensors.torch import load_file, save_file

pytestmark = pytest.mark.usefixtures("one_thread")

WORDS = ["the", "a", "dog", "cat", "bread", "soup", "river", "house", "good", "bad", "old", "new"]
SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
VOCABULARY = list(dict.fromkeys([*SPECIAL, *WORDS, *"abcdefghijklmnopqrstuvwxyz", *["##" + c for c in "abcdefghst"]]))
TEXTS = ["the dog", "a good old House", "cats", "soup and bread", "river"]
SIZES = {
    "vocab_size": len(VOCABULARY), "hidden_size": 16, "num_hidden_layers": 2, "num_attention_heads": 2,
    "intermediate_size": 32, "max_position_embeddings": 32, "initializer_range": 0.3,
}  # fmt: skip


def write_model(folder, kind="BertForSequenceClassification", **config):
    """A small BERT with random weights and a vocabulary."""
    import torch
    import transformers

    torch.manual_seed(0)
    getattr(transformers, kind)(transformers.BertConfig(**SIZES | config)).save_pretrained(folder)
    (folder / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    return folder


@pytest.fixture
def model(tmp_path):
    return write_model(tmp_path / "model")


@pytest.fixture
def texts_file(tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text("".join(json.dumps({"sentence": text, "label": i % 2, "second": "a cat"}) + "\n" for i, text in enumerate(TEXTS)))
    return path


def edit_config(folder, **changes):
    path = folder / "config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def edit_weights(folder, edit):
    path = folder / "model.safetensors"
    save_file({name: value.contiguous() for name, value in edit(load_file(path)).items()}, path, {"format": "pt"})


def evaluate(vcas, folder, texts_file, *more):
    return vcas("eval", "--model_name_or_path", folder, "--validation_file", texts_file, "--max_seq_length", "16", "--threads", "1", *more)


def train(vcas, folder, texts_file, out, *more):
    return vcas("train", "--model_name_or_path", folder, "--train_file", texts_file, "--output_dir", out, "--max_seq_length", "16",
                "--max_steps", "1", "--threads", "1", *more)  # fmt: skip


def ours(vcas, folder, texts_file):
    out = texts_file.parent / "predictions.jsonl"
    result = evaluate(vcas, folder, texts_file, "--predictions", out)
    assert result.returncode == 0, result.stderr
    return [list(json.loads(line)["probabilities"].values()) for line in out.read_text().splitlines()]


def theirs(folder):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForSequenceClassification.from_pretrained(folder, dtype=torch.float32).eval()
    with torch.no_grad():
        return [torch.softmax(model(**tokenizer(text, return_tensors="pt")).logits[0], -1).tolist() for text in TEXTS]


def assert_same_probabilities(vcas, folder, texts_file):
    # Both compute in float32, sums in another order: 1e-5 is a hundred times what that changes.
    for got, want in zip(ours(vcas, folder, texts_file), theirs(folder), strict=True):
        assert got == pytest.approx(want, abs=1e-5)


def assert_refused(result, *mentions, status=2):
    assert result.returncode == status, (result.returncode, result.stderr)
    lines = [line for line in result.stderr.splitlines() if not line.startswith("vcas: warning:")]
    assert lines[0].startswith("vcas: "), result.stderr
    assert not re.search(r"frame #|Exception raised from", result.stderr), result.stderr
    for mention in mentions:
        assert mention in result.stderr, result.stderr


def as_older_files(tensors):
    older = {"LayerNorm.weight": "LayerNorm.gamma", "LayerNorm.bias": "LayerNorm.beta"}
    for name, old in older.items():
        tensors = {key.replace(name, old): value for key, value in tensors.items()}
    return tensors


def test_layer_norms_by_their_older_names(vcas, model, texts_file):
    edit_weights(model, as_older_files)
    assert any(name.endswith("LayerNorm.gamma") for name in load_file(model / "model.safetensors"))
    assert_same_probabilities(vcas, model, texts_file)


def shard(folder):
    from transformers import AutoModelForSequenceClassification

    loaded = AutoModelForSequenceClassification.from_pretrained(folder)
    (folder / "model.safetensors").unlink()
    loaded.save_pretrained(folder, max_shard_size="4KB")
    shards = sorted(folder.glob("model-*.safetensors"))
    assert len(shards) > 2
    return shards


def test_shards(vcas, model, texts_file):
    shard(model)
    assert_same_probabilities(vcas, model, texts_file)


def test_faults_of_shards(vcas, model, texts_file):
    shards = shard(model)
    index = model / "model.safetensors.index.json"
    whole = json.loads(index.read_text())
    query = "bert.encoder.layer.1.attention.self.query.weight"
    place = model / whole["weight_map"][query]
    tensors = load_file(place)
    save_file(tensors | {query: tensors[query] * math.nan}, place, {"format": "pt"})
    assert_refused(evaluate(vcas, model, texts_file), query, place.name, "nan")
    save_file(tensors, place, {"format": "pt"})
    index.write_text(json.dumps(whole | {"weight_map": whole["weight_map"] | {query: "../model.safetensors"}}))
    assert_refused(evaluate(vcas, model, texts_file), index.name, query, "../model.safetensors")
    index.write_text(json.dumps(whole))
    shards[-1].unlink()
    assert_refused(evaluate(vcas, model, texts_file), index.name, shards[-1].name)


def test_bert_as_its_authors_published_it(vcas, tmp_path, texts_file):
    """google-bert/bert-base-uncased: heads of pre-training, older names, no id2label, tokenizer.json, silent configuration."""
    from transformers import AutoTokenizer

    folder = write_model(tmp_path / "published", kind="BertForPreTraining")
    edit_weights(folder, as_older_files)
    AutoTokenizer.from_pretrained(folder).save_pretrained(folder)
    (folder / "tokenizer_config.json").write_text(json.dumps({"do_lower_case": True, "model_max_length": 32}))
    config = json.loads((folder / "config.json").read_text())
    kept = {key: config[key] for key in SIZES} | {
        "architectures": ["BertForMaskedLM"], "model_type": "bert", "hidden_act": "gelu", "gradient_checkpointing": False,
        "pad_token_id": 0, "position_embedding_type": "absolute", "transformers_version": "4.6.0.dev0", "use_cache": True,
    }  # fmt: skip
    (folder / "config.json").write_text(json.dumps(kept))
    result = train(vcas, folder, texts_file, tmp_path / "out", "--learning_rate", "1e-3")
    assert result.returncode == 0, result.stderr
    assert "classifier.bias, classifier.weight" in result.stderr and "bert.pooler" not in result.stderr
    assert "cls.predictions" in result.stderr
    assert_same_probabilities(vcas, tmp_path / "out", texts_file)
    assert_refused(evaluate(vcas, folder, texts_file), "classifier.weight: missing")


def test_pickled_weights_come_with_the_line_that_converts_them(vcas, tmp_path, texts_file):
    """A line for the shell, whatever the folder's name."""
    import torch
    from transformers import AutoModelForSequenceClassification

    model = write_model(tmp_path / "it's \"q\" $HOME b`id` $(id)")
    expected = ours(vcas, model, texts_file)
    loaded = AutoModelForSequenceClassification.from_pretrained(model)
    torch.save(loaded.state_dict(), model / "pytorch_model.bin")
    (model / "model.safetensors").unlink()
    result = evaluate(vcas, model, texts_file)
    assert_refused(result, "pytorch_model.bin", "model.safetensors")
    command = result.stderr.strip().splitlines()[-1].strip()
    assert command.startswith("python -c '")
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, env={**os.environ, "PATH": path})
    assert done.returncode == 0, done.stderr
    assert numpy.allclose(ours(vcas, model, texts_file), expected)


def test_an_index_of_shards_that_is_out_of_date(vcas, model, texts_file):
    shards = shard(model)
    index = model / "model.safetensors.index.json"
    whole = json.loads(index.read_text())
    stale = {"bert.embeddings.position_ids": shards[0].name, "classifier.bias": shards[0].name}
    index.write_text(json.dumps(whole | {"weight_map": whole["weight_map"] | stale}))
    assert_same_probabilities(vcas, model, texts_file)
    holder = next(place for place in shards if "classifier.bias" in load_file(place))
    save_file({name: value for name, value in load_file(holder).items() if name != "classifier.bias"}, holder, {"format": "pt"})
    assert_refused(evaluate(vcas, model, texts_file), index.name, "classifier.bias: missing")


@pytest.mark.parametrize("names", [{"1": "a", "2": "b"}, {"00": "a", "01": "b"}, {"0": False, "1": True}])
def test_names_of_labels_as_python_reads_them(vcas, tmp_path, model, texts_file, names):
    edit_config(model, id2label=names, label2id=None)
    assert_same_probabilities(vcas, model, texts_file)


def test_a_problem_type_of_no_letters_is_as_good_as_missing(vcas, model, texts_file):
    edit_config(model, problem_type="")
    assert_same_probabilities(vcas, model, texts_file)


def test_tensors_of_other_dtypes_that_the_model_lacks(vcas, model, texts_file):
    import torch

    more = {"scale": torch.ones(2).to(torch.float8_e4m3fn), "zero": torch.ones(2).to(torch.uint16)}
    edit_weights(model, lambda tensors: tensors | more)
    assert_same_probabilities(vcas, model, texts_file)


def test_a_head_without_names_of_its_own(vcas, tmp_path, model, texts_file):
    texts_file.write_text('{"sentence": "a dog", "label": "pos"}\n{"sentence": "a cat", "label": "neg"}\n')
    edit_config(model, id2label=None, label2id=None)
    result = train(vcas, model, texts_file, tmp_path / "out")
    assert result.returncode == 0, result.stderr
    assert "the model's labels ('LABEL_0', 'LABEL_1') are not those of the training data ('neg', 'pos')" in result.stderr
    base = write_model(tmp_path / "base", kind="BertModel")
    result = train(vcas, base, texts_file, tmp_path / "from_base")
    assert result.returncode == 0 and "LABEL_0" not in result.stderr, result.stderr


@pytest.mark.parametrize("config", [{"num_labels": 1, "problem_type": "regression"}, {"num_labels": 1},
                                    {"problem_type": "multi_label_classification"}])  # fmt: skip
def test_heads_of_other_kinds_are_not_scored(vcas, tmp_path, texts_file, config):
    folder = write_model(tmp_path / "model", **config)
    assert_refused(evaluate(vcas, folder, texts_file), "config.json", "problem_type")


def test_training_from_a_head_of_another_kind(vcas, tmp_path, texts_file):
    folder = write_model(tmp_path / "model", num_labels=1, problem_type="regression")
    assert_refused(train(vcas, folder, texts_file, tmp_path / "out"), "classifier.weight: expected shape [2, 16], got [1, 16]",
                   "--ignore_mismatched_sizes")  # fmt: skip
    assert not (tmp_path / "out").exists()
    result = train(vcas, folder, texts_file, tmp_path / "out", "--ignore_mismatched_sizes")
    assert result.returncode == 0, result.stderr
    assert "problem_type 'regression' is replaced by 'single_label_classification'" in result.stderr
    assert "initialised from the seed: classifier.bias, classifier.weight" in result.stderr
    assert json.loads((tmp_path / "out" / "config.json").read_text())["problem_type"] == "single_label_classification"
    assert_same_probabilities(vcas, tmp_path / "out", texts_file)


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_weights_that_are_not_finite(vcas, tmp_path, model, texts_file, value):
    name = "bert.encoder.layer.0.output.dense.bias"

    def spoil(tensors):
        tensors[name][3] = value
        return tensors

    edit_weights(model, spoil)
    for result in (evaluate(vcas, model, texts_file), train(vcas, model, texts_file, tmp_path / "out")):
        assert_refused(result, "model.safetensors", name, str(value), "value 3 of 16")


def test_results_that_are_not_finite(vcas, model, texts_file):
    """Finite weights whose products overflow: a fault of the computation, not of the input."""

    def overflow(tensors):
        return tensors | {"bert.pooler.dense.bias": tensors["bert.pooler.dense.bias"] + 100,
                          "classifier.weight": tensors["classifier.weight"] * 0 + 3e38}  # fmt: skip

    edit_weights(model, overflow)
    assert_refused(evaluate(vcas, model, texts_file), "text 0 (counted from 0)", "finite", status=1)


@pytest.mark.parametrize("method", ["exact", "vcas"])
def test_null_is_as_good_as_missing(vcas, tmp_path, model, texts_file, method):
    edit_config(model, id2label=None, label2id=None, classifier_dropout=None, problem_type=None, pad_token_id=None)
    result = train(vcas, model, texts_file, tmp_path / "out", "--method", method)
    assert result.returncode == 0, result.stderr
    assert_same_probabilities(vcas, model, texts_file)
    result = vcas("calibrate", "--model_name_or_path", model, "--output", tmp_path / "costs.json", "--seconds", "0.2")
    assert result.returncode == 0, result.stderr


@pytest.mark.parametrize("changes", [{"hidden_size": None}, {"num_hidden_layers": "2"}, {"id2label": {"0": None, "1": "b"}},
                                     {"id2label": ["a", "b"]}, {"num_attention_heads": 5}, {"vocab_size": 1e300},
                                     {"hidden_act": 5}, {"problem_type": 5}])  # fmt: skip
def test_bad_values_of_a_configuration_are_named_by_every_command(vcas, tmp_path, model, texts_file, changes):
    edit_config(model, **changes)
    key = next(iter(changes))
    assert_refused(evaluate(vcas, model, texts_file), "config.json", key)
    assert_refused(train(vcas, model, texts_file, tmp_path / "out"), "config.json", key)
    assert_refused(vcas("calibrate", "--model_name_or_path", model, "--output", tmp_path / "costs.json"), "config.json", key)


def test_pairs_for_a_model_of_one_token_type(vcas, tmp_path, texts_file):
    folder = write_model(tmp_path / "model", type_vocab_size=1)
    assert_same_probabilities(vcas, folder, texts_file)
    pairs = ["--text_pair_column", "second"]
    assert_refused(evaluate(vcas, folder, texts_file, *pairs), "config.json", "type_vocab_size", "at least 2")
    assert_refused(train(vcas, folder, texts_file, tmp_path / "out", *pairs), "type_vocab_size")
    (folder / "tokenizer_config.json").write_text(json.dumps({"model_input_names": ["input_ids", "attention_mask"]}))
    assert evaluate(vcas, folder, texts_file, *pairs).returncode == 0


def test_tokens_that_the_model_lacks(vcas, model, texts_file):
    """They matter where a text has them, as in Hugging Face."""
    (model / "added_tokens.json").write_text(json.dumps({"[NEW]": len(VOCABULARY)}))
    assert_same_probabilities(vcas, model, texts_file)
    texts_file.write_text('{"sentence": "a dog", "label": 0}\n{"sentence": "a [NEW] dog", "label": 1}\n')
    assert_refused(evaluate(vcas, model, texts_file), "config.json", "vocab_size", "text 1", str(len(VOCABULARY)))

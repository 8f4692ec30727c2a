"""vcas train on a tiny model: what it leaves, and that the same run has the same bits."""

import fcntl
import json
import os
import pty
import re
import shutil
import struct
import subprocess
import termios

import numpy
import pytest
from safetensors.numpy import load_file
from saved_weights import assert_same_bits, weights


def read_terminal(descriptor):
    shown = b""
    while True:
        try:
            part = os.read(descriptor, 4096)
        except OSError:  # how Linux says that nobody holds the other end
            part = b""
        if not part:
            os.close(descriptor)
            return shown.decode()
        shown += part


def metrics(folder):
    return [json.loads(line) for line in (folder / "metrics.jsonl").read_text().splitlines()]


def without_times(lines):
    return [{key: value for key, value in line.items() if key != "step_ms"} for line in lines]


def test_leaves_what_the_contract_says(trained):
    folder, result = trained
    summary = json.loads((folder / "summary.json").read_text())
    assert json.loads(result.stdout) == summary
    assert set(summary) == {
        "task", "method", "seed", "steps", "train_loss", "eval_loss", "eval_accuracy", "eval_macro_f1", "eval_matthews", "eval_metrics",
        "train_seconds", "adaptation_seconds", "step_ms", "flops", "peak_rss_bytes", "device", "threads", "dtype", "settings",
    }  # fmt: skip
    assert set(summary["step_ms"]) == {"median", "p10", "p90"}
    assert set(summary["flops"]) == {"exact", "performed", "reduction"}
    assert summary["steps"] == 60
    assert summary["method"] == "vcas"
    assert 0 < summary["adaptation_seconds"] < summary["train_seconds"]
    flops = summary["flops"]
    assert flops["reduction"] == pytest.approx(1 - flops["performed"] / flops["exact"], abs=1e-12)
    lines = metrics(folder)
    assert [line["step"] for line in lines] == list(range(5, 61, 5))
    for line in lines:
        assert set(line) == {
            "step", "epoch", "loss", "learning_rate", "grad_norm", "step_ms", "flops_performed", "s", "rho", "nu",
            "v_sgd", "v_act", "v_w", "act_var_tau", "w_var_tau",
        }  # fmt: skip
    assert len(lines[-1]["rho"]) == 2
    assert all(name.endswith(".weight") for name in lines[-1]["nu"])
    assert lines[-1]["v_act"] >= 0
    assert (lines[-1]["act_var_tau"], lines[-1]["w_var_tau"]) == (0.025, 0.025)
    assert lines[-1]["flops_performed"] == flops["performed"]
    evaluations = [json.loads(line) for line in (folder / "evaluations.jsonl").read_text().splitlines()]
    assert [line["step"] for line in evaluations] == [60]
    assert [metric["name"] for metric in summary["eval_metrics"]] == ["loss", "accuracy", "macro_f1", "matthews"]
    assert set(evaluations[0]) == {"step", "examples", "loss", "accuracy", "macro_f1", "matthews"}
    for name in ("loss", "accuracy", "macro_f1", "matthews"):
        assert evaluations[0][name] == summary[f"eval_{name}"]


def test_tensorboard_reads_the_same_scalars(trained):
    accumulator_module = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    folder, _ = trained
    accumulator = accumulator_module.EventAccumulator(str(folder))
    accumulator.Reload()
    logged = {event.step: event.value for event in accumulator.Scalars("train/loss")}
    for line in metrics(folder):
        assert logged[line["step"]] == pytest.approx(line["loss"], rel=1e-6)


@pytest.mark.parametrize("method", ["exact", "vcas", "sb", "ub"])
def test_learns(vcas, train_arguments, tmp_path, method):
    arguments = train_arguments(method, max_steps=250, per_device_train_batch_size=16, learning_rate=0.003)
    result = vcas(*arguments, "--output_dir", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    summary = json.loads(result.stdout)
    assert summary["train_loss"] < 0.3  # a guess has log 3
    assert summary["eval_accuracy"] > 0.9


def test_transformers_loads_the_result(trained, texts, vcas):
    import torch
    from transformers import AutoModelForSequenceClassification, AutoTokenizer

    folder, _ = trained
    model = AutoModelForSequenceClassification.from_pretrained(folder).eval()
    assert model.config.id2label == {0: "animal", 1: "food", 2: "place"}
    for name, tensor in load_file(folder / "model.safetensors").items():
        assert numpy.array_equal(tensor, model.state_dict()[name].numpy()), name
    tokenizer = AutoTokenizer.from_pretrained(folder)
    sentences = [line.split("\t")[0] for line in texts[1].read_text().splitlines()[1:]]
    predictions = folder.parent / "predictions.jsonl"
    result = vcas("eval", "--model_name_or_path", folder, "--validation_file", texts[1], "--max_seq_length", 32,
                  "--predictions", predictions)  # fmt: skip
    assert result.returncode == 0, result.stderr
    lines = [json.loads(line) for line in predictions.read_text().splitlines()]
    assert [line["id"] for line in lines] == list(range(len(sentences)))
    for sentence, line in zip(sentences, lines):
        with torch.no_grad():
            expected = model(**tokenizer(sentence, return_tensors="pt")).logits.softmax(-1)[0]
        got = [line["probabilities"][name] for name in ("animal", "food", "place")]
        assert got == pytest.approx(expected.tolist(), abs=1e-4)
        assert line["label"] == max(line["probabilities"], key=line["probabilities"].get)


def test_eval_scores_are_those_of_the_predictions(trained, texts, vcas):
    folder, _ = trained
    predictions = folder.parent / "scores.csv"
    result = vcas("eval", "--model-name-or-path", folder, "--validation-file", texts[1], "--max-seq-length=32",
                  "--predictions", predictions)  # fmt: skip
    assert result.returncode == 0, result.stderr
    scores = json.loads(result.stdout)
    header, *rows = [line.split(",") for line in predictions.read_text().splitlines()]
    assert header == ["id", "label", "probability_animal", "probability_food", "probability_place"]
    expected = [line.split("\t")[1] for line in texts[1].read_text().splitlines()[1:]]
    correct = sum(row[1] == label for row, label in zip(rows, expected))
    assert scores["examples"] == len(expected) == len(rows)
    assert scores["accuracy"] == pytest.approx(correct / len(expected), abs=1e-12)
    assert scores["accuracy"] == json.loads((folder / "summary.json").read_text())["eval_accuracy"]


def test_two_runs_agree_in_every_bit(trained, vcas, train_arguments, tmp_path):
    result = vcas(*train_arguments(), "--output_dir", tmp_path / "again")
    assert result.returncode == 0, result.stderr
    assert_same_bits(weights(trained[0]), weights(tmp_path / "again"))
    assert without_times(metrics(trained[0])) == without_times(metrics(tmp_path / "again"))


@pytest.mark.parametrize("method", ["exact", "vcas"])
def test_bf16_learns_as_float32_does_and_resumes_with_the_same_bits(vcas, train_arguments, tmp_path, method):
    arguments = train_arguments(method, save_strategy="steps", save_steps=30)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    results = [
        vcas(*arguments, "--output_dir", tmp_path / "float32"),
        vcas(*arguments, "--bf16", "--output_dir", whole),
        vcas(*arguments, "--bf16", "--output_dir", resumed, "--resume_from_checkpoint", whole / "checkpoint-30"),
    ]
    for result in results:
        assert result.returncode == 0, result.stderr
    float32, bfloat16, _ = (json.loads(result.stdout) for result in results)
    assert (float32["dtype"], bfloat16["dtype"]) == ("float32", "bfloat16")
    assert bfloat16["train_loss"] == pytest.approx(float32["train_loss"], rel=0.05)
    assert bfloat16["train_loss"] != float32["train_loss"]
    assert bfloat16["flops"]["exact"] == float32["flops"]["exact"]
    assert_same_bits(weights(whole), weights(resumed))
    assert all(tensor.dtype == numpy.float32 for tensor in weights(whole).values())
    assert json.loads((whole / "config.json").read_text()).get("dtype", "float32") == "float32"


@pytest.mark.parametrize("method", ["exact", "vcas"])
def test_gradient_checkpointing_gives_the_same_bits_for_more_work(vcas, train_arguments, tmp_path, method):
    arguments = train_arguments(method)
    results = [
        vcas(*arguments, "--output_dir", tmp_path / "saved"),
        vcas(*arguments, "--gradient_checkpointing", "--output_dir", tmp_path / "recomputed"),
    ]
    for result in results:
        assert result.returncode == 0, result.stderr
    assert_same_bits(weights(tmp_path / "saved"), weights(tmp_path / "recomputed"))
    saved, recomputed = (json.loads(result.stdout)["flops"] for result in results)
    assert recomputed["exact"] > 1.2 * saved["exact"]
    assert recomputed["performed"] > saved["performed"]


@pytest.mark.parametrize("flags", [[], ["--bf16"]])
def test_an_older_instruction_set_gives_the_same_results_and_one_warning(vcas, train_arguments, tmp_path, flags):
    older = {"ONEDNN_MAX_CPU_ISA": "AVX2", "ATEN_CPU_CAPABILITY": "avx2"}
    arguments = [*train_arguments("vcas"), *flags]
    usual = vcas(*arguments, "--output_dir", tmp_path / "usual")
    capped = vcas(*arguments, "--output_dir", tmp_path / "capped", environment=older)
    for result in (usual, capped):
        assert result.returncode == 0, result.stderr
    assert capped.stderr.count("AVX-512") == 1
    loss, expected = (json.loads(result.stdout)["train_loss"] for result in (capped, usual))
    assert loss == pytest.approx(expected, rel=0.02)


def test_a_float32_run_does_not_go_on_from_a_bf16_checkpoint(vcas, train_arguments, tmp_path):
    arguments = train_arguments(max_steps=4, save_strategy="steps", save_steps=2)
    assert vcas(*arguments, "--bf16", "--output_dir", tmp_path / "run").returncode == 0
    result = vcas(*arguments, "--output_dir", tmp_path / "other", "--resume_from_checkpoint",
                  tmp_path / "run" / "checkpoint-2")  # fmt: skip
    assert result.returncode == 2
    assert "bf16" in result.stderr
    assert not (tmp_path / "other").exists()


# With cal_var_freq 10 and M = 2 a window opens at micro-batches 30 and 31 (or one that was postponed at an epoch's end);
# step 31 without accumulation lies between its two batches.
@pytest.mark.parametrize("method", ["exact", "vcas"])
@pytest.mark.parametrize("accumulation", [1, 3])
@pytest.mark.parametrize("stop", [30, 31])
def test_a_resumed_run_has_the_bits_of_a_whole_one(vcas, train_arguments, tmp_path, method, accumulation, stop):
    arguments = train_arguments(method, accumulation=accumulation, save_strategy="steps", save_steps=stop)
    whole, resumed = tmp_path / "whole", tmp_path / "resumed"
    result = vcas(*arguments, "--output_dir", whole)
    assert result.returncode == 0, result.stderr
    resumed.mkdir()
    shutil.copytree(whole / f"checkpoint-{stop}", resumed / f"checkpoint-{stop}")
    # As a run leaves it that died after its checkpoint: two lines more than the checkpoint knows.
    kept = [line for line in (whole / "metrics.jsonl").read_text().splitlines() if json.loads(line)["step"] <= 40]
    (resumed / "metrics.jsonl").write_text("\n".join(kept) + "\n")
    result = vcas(*arguments, "--output_dir", resumed, "--resume_from_checkpoint", "auto")
    assert result.returncode == 0, result.stderr
    assert_same_bits(weights(whole), weights(resumed))
    assert without_times(metrics(whole)) == without_times(metrics(resumed))
    summaries = [json.loads((folder / "summary.json").read_text()) for folder in (whole, resumed)]
    for key in ("train_loss", "eval_loss", "eval_accuracy", "flops", "steps"):
        assert summaries[0][key] == summaries[1][key], key


def test_a_window_lies_around_step_31(vcas, train_arguments, tmp_path):
    """The premise of the test above: at step 31 the controller's checkpoint holds an open window."""
    result = vcas(
        *train_arguments(save_strategy="steps", save_steps=31, max_steps=31), "--output_dir", tmp_path / "run"
    )
    assert result.returncode == 0, result.stderr
    tensors = load_file(tmp_path / "run" / "checkpoint-31" / "training_state.safetensors")
    assert any(name.startswith("method.") for name in tensors)


def test_configuration_files_have_the_same_keys_and_flags_win(vcas, train_arguments, tmp_path):
    (tmp_path / "run.toml").write_text('method = "exact"\nmax-steps = 5\nlearning_rate = 1\nseed = 3\n')
    arguments = [*train_arguments(max_steps=4), "--config", tmp_path / "run.toml", "--output_dir", tmp_path / "run"]
    result = vcas(*arguments)
    assert result.returncode == 0, result.stderr
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert summary["steps"] == 4  # the flag
    assert summary["method"] == "vcas"  # the flag
    assert summary["seed"] == 3  # the file


def test_overwrite_output_dir_replaces_the_run_and_nothing_else(vcas, train_arguments, tmp_path):
    run = tmp_path / "run"
    arguments = [*train_arguments("exact", max_steps=4, save_strategy="steps", save_steps=2), "--output_dir", run]
    assert vcas(*arguments).returncode == 0
    (run / "notes.txt").write_text("mine")
    result = vcas(*arguments, "--overwrite_output_dir", "--max_steps", 2)
    assert result.returncode == 0, result.stderr
    assert not (run / "checkpoint-4").exists()
    assert (run / "notes.txt").read_text() == "mine"
    assert len(list(run.glob("events.out.tfevents.*"))) == 1


def test_a_checkpoint_of_another_folder_is_resumed_into_one_that_is_overwritten(vcas, train_arguments, tmp_path):
    first, second = tmp_path / "first", tmp_path / "second"
    arguments = train_arguments(save_strategy="steps", save_steps=30)
    assert vcas(*arguments, "--output_dir", first).returncode == 0
    assert vcas(*train_arguments("exact", max_steps=2), "--output_dir", second).returncode == 0
    resume = [*arguments, "--output_dir", second, "--resume_from_checkpoint", first / "checkpoint-30"]
    assert vcas(*resume).returncode == 2  # second holds another run
    result = vcas(*resume, "--overwrite_output_dir")
    assert result.returncode == 0, result.stderr
    assert_same_bits(weights(first), weights(second))
    assert [line["step"] for line in metrics(second)] == list(range(35, 61, 5))
    assert len(list(second.glob("events.out.tfevents.*"))) == 1


def test_a_terminal_shows_a_bar_that_is_drawn_in_place(vcas_binary, train_arguments, tmp_path):
    columns = 60
    terminal, stderr = pty.openpty()
    fcntl.ioctl(stderr, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    command = [vcas_binary, *train_arguments(max_steps=30), "--output_dir", tmp_path / "run"]
    with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=stderr) as process:
        os.close(stderr)
        shown = read_terminal(terminal)
    assert process.returncode == 0
    bars = [part for part in re.split(r"[\r\n]", shown) if "% [" in part]
    assert len(bars) >= 2
    assert re.match(r"\x1b\[K100% \[#{16}\] 0:00 left  step 30/30  epoch 0\.60 ", bars[-1])
    assert all(len(bar.removeprefix("\x1b[K")) < columns for bar in bars)


def test_pairs_are_trained_and_evaluated(vcas, tiny_model, tmp_path):
    rows = ["premise,hypothesis,label"]
    rows += [f"the dog number {i},{'the dog' if i % 2 else 'a house'},{i % 2}" for i in range(40)]
    (tmp_path / "pairs.csv").write_text("\n".join(rows) + "\n")
    data = ["--text_column", "premise", "--text_pair_column", "hypothesis", "--validation_file", tmp_path / "pairs.csv",
            "--max_seq_length", 16]  # fmt: skip
    result = vcas("train", "--model_name_or_path", tiny_model, "--train_file", tmp_path / "pairs.csv", *data,
                  "--output_dir", tmp_path / "run", "--method", "exact", "--max_steps", 6)  # fmt: skip
    assert result.returncode == 0, result.stderr
    result = vcas("eval", "--model_name_or_path", tmp_path / "run", *data)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["examples"] == 40


def test_long_texts_are_cut_and_said_once(vcas, train_arguments, tmp_path):
    result = vcas(*train_arguments("exact", max_steps=1, max_seq_length=4), "--output_dir", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    said = [line for line in result.stderr.splitlines() if "longer than max_seq_length 4" in line]
    assert len(said) == 2  # the training texts, the evaluation texts
    assert "of 400 texts" in said[0]


def test_help_names_every_flag_with_its_default(vcas):
    result = vcas("train", "--help")
    assert result.returncode == 0
    for expected in ["--learning_rate", "5e-05", "--act_var_tau", "0.025", "--max_seq_length", "128", "--cal_var_freq"]:
        assert expected in result.stdout
    assert vcas("--help").returncode == 0


def test_info_says_what_runs(vcas):
    result = vcas("info")
    assert result.returncode == 0
    for key in ["vcas", "libtorch", "devices", "GEMM back end", "threads"]:
        assert key in result.stdout


def test_probe_trains_with_the_same_bits_and_writes_down_gradients(trained, vcas, train_arguments, tmp_path):
    arguments = ["probe", *train_arguments()[1:], "--probe_steps", 20, "--probe_batches", 2]
    result = vcas(*arguments, "--output_dir", tmp_path / "run")
    assert result.returncode == 0, result.stderr
    assert_same_bits(weights(trained[0]), weights(tmp_path / "run"))
    probes = [json.loads(line) for line in (tmp_path / "run" / "probe.jsonl").read_text().splitlines()]
    assert [probe["micro_batch"] for probe in probes] == [0, 20, 40]
    for probe in probes:
        assert len(probe["blocks"]) == 2
        assert len(probe["weights"]) == 12
        assert probe["v_act"][0] > probe["v_act"][-1]
        for weight in probe["weights"].values():
            assert weight["v_w"][0] >= weight["v_w"][-1] >= 0
    refused = vcas("train", *arguments[1:], "--output_dir", tmp_path / "other")
    assert refused.returncode == 2 and "--probe_steps" in refused.stderr

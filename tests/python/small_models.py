"""Small random models of the six architectures, batches for them, and comparisons."""

from __future__ import annotations

import torch
import transformers as hf

HIDDEN, HEADS, LAYERS, INTERMEDIATE, VOCABULARY = 32, 4, 3, 48, 60

BERT_LIKE = dict(
    hidden_size=HIDDEN,
    num_attention_heads=HEADS,
    num_hidden_layers=LAYERS,
    intermediate_size=INTERMEDIATE,
    vocab_size=VOCABULARY,
    max_position_embeddings=40,
    num_labels=5,
    pad_token_id=0,
)


def configuration(name: str, dropout: float = 0.0):
    """A tiny configuration, every dropout probability the given one."""
    both = dict(hidden_dropout_prob=dropout, attention_probs_dropout_prob=dropout)
    if name == "bert":
        return hf.BertConfig(**BERT_LIKE, **both)
    if name == "roberta":
        return hf.RobertaConfig(**BERT_LIKE, **both)
    if name == "electra":
        return hf.ElectraConfig(**BERT_LIKE, **both, embedding_size=16)
    if name == "distilbert":
        return hf.DistilBertConfig(
            dim=HIDDEN, n_heads=HEADS, n_layers=LAYERS, hidden_dim=INTERMEDIATE, vocab_size=VOCABULARY,
            max_position_embeddings=40, num_labels=5, dropout=dropout, attention_dropout=dropout,
            seq_classif_dropout=dropout,
        )  # fmt: skip
    if name == "vit":
        return hf.ViTConfig(
            hidden_size=HIDDEN, num_attention_heads=HEADS, num_hidden_layers=LAYERS,
            intermediate_size=INTERMEDIATE, image_size=16, patch_size=4, num_labels=5, **both,
        )  # fmt: skip
    return hf.GPT2Config(
        n_embd=HIDDEN, n_head=HEADS, n_layer=LAYERS, n_inner=INTERMEDIATE, vocab_size=VOCABULARY, n_positions=40,
        resid_pdrop=dropout, embd_pdrop=dropout, attn_pdrop=dropout, num_labels=5, pad_token_id=0,
        bos_token_id=1, eos_token_id=1, classifier_dropout=dropout, hidden_dropout=dropout,
    )  # fmt: skip


CLASSIFIERS = {
    "bert": hf.BertForSequenceClassification,
    "roberta": hf.RobertaForSequenceClassification,
    "distilbert": hf.DistilBertForSequenceClassification,
    "electra": hf.ElectraForSequenceClassification,
    "vit": hf.ViTForImageClassification,
    "gpt2": hf.GPT2ForSequenceClassification,
}
TOKEN_MODELS = {
    "bert": hf.BertForTokenClassification,
    "roberta": hf.RobertaForTokenClassification,
    "distilbert": hf.DistilBertForTokenClassification,
    "electra": hf.ElectraForTokenClassification,
    "gpt2": hf.GPT2ForTokenClassification,
}


def make(kind, name: str, dropout: float = 0.0, seed: int = 0):
    """A model with random weights, large enough that every part has a gradient; in training mode."""
    torch.manual_seed(seed)
    model = kind(configuration(name, dropout))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.05)
    return model.train()


def batch(name: str, samples: int = 6, positions: int = 9, side: str = "right", seed: int = 1) -> dict:
    """Inputs with labels; texts have masks of random lengths, padded on the given side (none: no mask)."""
    generator = torch.Generator().manual_seed(seed)
    labels = torch.randint(5, (samples,), generator=generator)
    if name == "vit":
        return {"pixel_values": torch.randn(samples, 3, 16, 16, generator=generator), "labels": labels}
    ids = torch.randint(2, VOCABULARY, (samples, positions), generator=generator)
    if side == "none":
        return {"input_ids": ids, "labels": labels}
    lengths = torch.randint(2, positions + 1, (samples,), generator=generator)
    lengths[0] = positions
    place = torch.arange(positions)
    if side == "right":
        mask = (place < lengths[:, None]).long()
    elif side == "left":
        mask = (place >= positions - lengths[:, None]).long()
    else:  # holes, position 0 kept
        mask = torch.randint(2, (samples, positions), generator=generator)
        mask[:, 0] = 1
    return {"input_ids": ids * mask, "attention_mask": mask, "labels": labels}


def token_batch(name: str, side: str = "right", seed: int = 1, samples: int = 6, positions: int = 9) -> dict:
    """As batch(), with a label for every position that the mask keeps."""
    inputs = batch(name, samples, positions, side, seed)
    generator = torch.Generator().manual_seed(seed + 1)
    labels = torch.randint(5, inputs["input_ids"].shape, generator=generator)
    inputs["labels"] = labels.masked_fill(inputs["attention_mask"] == 0, -100)
    return inputs


def gradients(model) -> dict[str, torch.Tensor]:
    return {name: p.grad.clone() for name, p in model.named_parameters() if p.grad is not None}


def loss_and_gradients(model, inputs):
    """Loss, logits and gradients of one ordinary backward pass."""
    model.zero_grad()
    output = model(**inputs)
    output.loss.backward()
    return output.loss.detach(), output.logits.detach(), gradients(model)


def assert_close(got: dict, expected: dict, tolerance: float = 1e-5) -> None:
    """Equal within `tolerance` of the largest gradient of each parameter: float32 sums in another order."""
    assert got.keys() == expected.keys()
    for name, value in expected.items():
        scale = max(value.abs().max().item(), 1e-3)
        error = (got[name] - value).abs().max().item()
        assert error <= tolerance * scale * 10, f"{name}: {error} of {scale}"

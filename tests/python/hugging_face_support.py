"""Tiny models and data sets for the tests of VcasTrainer."""

from pathlib import Path
from typing import Any

import torch
import transformers
import vcas
from torch import nn
from torch.utils.data import Dataset

CLASSES = 4
VOCABULARY = 64


def tiny_bert(seed: int = 0, **config: Any) -> transformers.BertForSequenceClassification:
    """A BERT classifier of 3 blocks with random weights."""
    torch.manual_seed(seed)
    settings = {
        "vocab_size": VOCABULARY, "hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 2,
        "intermediate_size": 64, "max_position_embeddings": 32, "num_labels": CLASSES, **config,
    }
    return transformers.BertForSequenceClassification(transformers.BertConfig(**settings))


class TokenTexts(Dataset[dict[str, Any]]):
    """Texts of 4 to 16 random tokens; the class follows from the first."""

    def __init__(self, count: int, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        lengths = torch.randint(4, 17, (count,), generator=generator).tolist()
        self._texts = [torch.randint(1, VOCABULARY, (length,), generator=generator) for length in lengths]

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index: int) -> dict[str, Any]:
        return {"input_ids": self._texts[index], "labels": int(self._texts[index][0]) % CLASSES}


def collate(texts: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
    """Pads to the longest text of the batch."""
    ids = nn.utils.rnn.pad_sequence([text["input_ids"] for text in texts], batch_first=True)
    labels = torch.tensor([text["labels"] for text in texts])
    return {"input_ids": ids, "attention_mask": (ids != 0).long(), "labels": labels}


def training_arguments(folder: Path, **settings: Any) -> transformers.TrainingArguments:
    """On the CPU, logging every step, batches of 8; nothing saved unless asked."""
    defaults = {
        "per_device_train_batch_size": 8, "learning_rate": 1e-3, "logging_steps": 1, "save_strategy": "no",
        "report_to": "none", "use_cpu": True, "disable_tqdm": True, "max_steps": 12, "seed": 3,
    }
    return transformers.TrainingArguments(output_dir=str(folder), **{**defaults, **settings})


def four_steps(
    arguments: transformers.TrainingArguments,
    *,
    model: transformers.PreTrainedModel | None = None,
    train_samples: int = 100,
    **settings: Any,
) -> vcas.VcasTrainer:
    """A trainer made as the original's README says. @param settings of VcasSampleArguments."""
    sample_scheme = vcas.VcasSampleScheme(vcas.VcasSampleArguments(**{"cal_var_freq": 4, **settings}))
    model = model or tiny_bert()
    vcas.VcasModelProcessor(model, transformers.BertLayer, sample_scheme).process()
    return vcas.VcasTrainer(
        model=model,
        sample_scheme=sample_scheme,
        args=arguments,
        train_dataset=TokenTexts(train_samples),
        eval_dataset=TokenTexts(32, seed=1),
        data_collator=collate,
    )


def logged(trainer: transformers.Trainer, name: str) -> list[float]:
    """The values of one metric over the run."""
    return [entry[name] for entry in trainer.state.log_history if name in entry]

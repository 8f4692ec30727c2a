"""Data for the examples, so that they run by themselves: texts of numbers, and which of them comes first."""

from collections.abc import Iterator
from typing import TypedDict

import torch
from torch.utils.data import Dataset

VOCABULARY = 200
CLASSES = 8
_PADDING = 0


class Text(TypedDict):
    """Token ids [tokens], each in [1, VOCABULARY), and the class."""

    input_ids: torch.Tensor
    labels: int


class MadeUpTexts(Dataset[Text]):
    """`count` texts of 8 to 40 tokens; the class is the first token modulo CLASSES."""

    def __init__(self, count: int, seed: int = 0) -> None:
        generator = torch.Generator().manual_seed(seed)
        lengths = torch.randint(8, 41, (count,), generator=generator).tolist()
        self._texts = [torch.randint(1, VOCABULARY, (length,), generator=generator) for length in lengths]

    def __len__(self) -> int:
        return len(self._texts)

    def __getitem__(self, index: int) -> Text:
        tokens = self._texts[index]
        return {"input_ids": tokens, "labels": int(tokens[0]) % CLASSES}


def collate(texts: list[Text]) -> dict[str, torch.Tensor]:
    """Pads to the longest: input_ids and attention_mask [texts, tokens], labels [texts]."""
    ids = torch.nn.utils.rnn.pad_sequence([text["input_ids"] for text in texts], True, _PADDING)
    labels = torch.tensor([text["labels"] for text in texts])
    return {"input_ids": ids, "attention_mask": (ids != _PADDING).long(), "labels": labels}


def batches(texts: MadeUpTexts, size: int, seed: int = 0) -> Iterator[dict[str, torch.Tensor]]:
    """Random batches without end, each of `size` texts."""
    generator = torch.Generator().manual_seed(seed)
    while True:
        for chosen in torch.randperm(len(texts), generator=generator).split(size):
            if len(chosen) == size:
                yield collate([texts[i] for i in chosen.tolist()])

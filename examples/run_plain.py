#!/usr/bin/env python3
"""VCAS in a plain PyTorch loop: a transformer and a task of our own, no Hugging Face.

    python examples/run_plain.py --steps 400

Compare with --exact, which runs the same loop without sampling.
"""

import argparse
import functools
import itertools

import torch
import vcas
from made_up_texts import CLASSES, VOCABULARY, MadeUpTexts, batches
from torch import nn
from torch.nn import functional


class Block(nn.Module):
    """A transformer block. Any block that processes samples independently works."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.norms = nn.ModuleList([nn.LayerNorm(width), nn.LayerNorm(width)])
        self.query_key_value = nn.Linear(width, 3 * width)
        self.projection = nn.Linear(width, width)
        self.widen = nn.Linear(width, 4 * width)
        self.narrow = nn.Linear(4 * width, width)

    def forward(self, hidden: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
        """hidden [texts, tokens, width], mask [texts, 1, 1, tokens] -> [texts, tokens, width]"""
        texts, tokens, width = hidden.shape
        parts = self.query_key_value(self.norms[0](hidden)).view(texts, tokens, 3, self.heads, -1).transpose(1, 3)
        attended = functional.scaled_dot_product_attention(*parts.unbind(2), attn_mask=mask)
        hidden = hidden + self.projection(attended.transpose(1, 2).reshape(texts, tokens, width))
        return hidden + self.narrow(functional.gelu(self.widen(self.norms[1](hidden))))


class Classifier(nn.Module):
    """Class scores of texts, from the first token of each."""

    def __init__(self, width: int = 96, heads: int = 4, blocks: int = 4) -> None:
        super().__init__()
        self.embedding = nn.Embedding(VOCABULARY, width)
        self.position = nn.Embedding(64, width)
        self.blocks = nn.ModuleList([Block(width, heads) for _ in range(blocks)])
        self.head = nn.Linear(width, CLASSES)

    def forward(self, input_ids: torch.Tensor, attention_mask: torch.Tensor) -> torch.Tensor:
        """input_ids and attention_mask [texts, tokens] -> [texts, CLASSES]"""
        hidden = self.embedding(input_ids) + self.position(torch.arange(input_ids.shape[1]))
        mask = attention_mask.bool()[:, None, None, :]
        for block in self.blocks:
            hidden = block(hidden, mask)
        return self.head(hidden[:, 0])


def loss_of(model: Classifier, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return functional.cross_entropy(model(batch["input_ids"], batch["attention_mask"]), batch["labels"])


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=400, help="(default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="texts a step (default: %(default)s)")
    parser.add_argument("--cal_var_freq", type=int, default=40, help="steps between adaptations (default: %(default)s)")
    parser.add_argument("--exact", action="store_true", help="do not sample")
    return parser.parse_args()


def main() -> None:
    arguments = parse_arguments()
    torch.manual_seed(0)
    model = Classifier()
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    texts = batches(MadeUpTexts(4000), arguments.batch)

    controller = None
    if not arguments.exact:
        options = vcas.SamplingOptions(cal_var_freq=arguments.cal_var_freq)
        vcas.attach(model, options, block_class=Block)
        controller = vcas.Controller(model, options)

    for step, batch in enumerate(itertools.islice(texts, arguments.steps), 1):
        optimizer.zero_grad()
        if controller:
            loss = controller.step(functools.partial(loss_of, model, batch))  # instead of loss.backward()
        else:
            loss = loss_of(model, batch)
            loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 50 == 0:
            print(f"step {step}: loss {loss.item():.4f}{describe(controller)}")

    if controller:
        vcas.detach(model)  # the model is what it was, with trained weights


def describe(controller: vcas.Controller | None) -> str:
    if controller is None:
        return ""
    metrics = controller.metrics()
    kept = ", ".join(f"{ratio:.0%}" for ratio in metrics["rho"])
    saved = 1 - metrics["flops"]["performed"] / metrics["flops"]["exact"]
    return f", samples kept by block {kept}; saved {saved:.0%} of the operations so far"


if __name__ == "__main__":
    main()

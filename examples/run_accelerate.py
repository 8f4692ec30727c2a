#!/usr/bin/env python3
"""VCAS in an Accelerate loop on two processes: both keep the same ratios.

    torchrun --nproc_per_node 2 examples/run_accelerate.py
"""

import argparse

import torch
import transformers
import vcas
from accelerate import Accelerator
from accelerate.utils import gather_object
from made_up_texts import CLASSES, VOCABULARY, MadeUpTexts, collate
from torch.utils.data import DataLoader


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=4000, help="one epoch of so many (default: %(default)s)")
    parser.add_argument("--batch", type=int, default=16, help="texts a step and process (default: %(default)s)")
    parser.add_argument("--cal_var_freq", type=int, default=20, help="steps between adaptations (default: %(default)s)")
    return parser.parse_args()


def train(accelerator: Accelerator, arguments: argparse.Namespace) -> None:
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=VOCABULARY, hidden_size=64, num_hidden_layers=4, num_attention_heads=4,
                                     intermediate_size=256, max_position_embeddings=64, num_labels=CLASSES)
    model = transformers.BertForSequenceClassification(config)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    loader = DataLoader(MadeUpTexts(arguments.texts), arguments.batch, shuffle=True, collate_fn=collate)

    # Attach before prepare(), which wraps the model; the controller works on the model inside.
    options = vcas.SamplingOptions(cal_var_freq=arguments.cal_var_freq)
    vcas.attach(model, options, verbose=accelerator.is_main_process)
    controller = vcas.Controller(model, options)
    model, optimizer, loader = accelerator.prepare(model, optimizer, loader)

    model.train()
    for step, batch in enumerate(loader, 1):
        optimizer.zero_grad()
        with controller.record():
            loss = model(**batch).loss
        controller.backward(loss, full_size=len(batch["labels"]) == arguments.batch)  # for accelerator.backward(loss)
        accelerator.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if step % 25 == 0:
            kept = ", ".join(f"{ratio:.0%}" for ratio in controller.metrics()["rho"])
            accelerator.print(f"step {step}: loss {loss.item():.4f}, samples kept by block {kept}")

    metrics = controller.metrics()
    weights = [weight.detach().double().sum().item() for weight in model.parameters()]
    held = gather_object([(metrics["s"], metrics["rho"], metrics["nu"], weights)])
    agree = all(of_process == held[0] for of_process in held)
    accelerator.print(f"{metrics['adaptations']} adaptations; {len(held)} processes, same ratios and weights: {agree}")
    accelerator.wait_for_everyone()


def main() -> None:
    arguments = parse_arguments()
    accelerator = Accelerator(cpu=True)
    try:
        train(accelerator, arguments)
    finally:
        # Gloo's threads must not outlive the interpreter: the wrapped model goes first, which holds them too.
        accelerator.free_memory()
        accelerator.end_training()


if __name__ == "__main__":
    main()

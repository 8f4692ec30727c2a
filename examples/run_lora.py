#!/usr/bin/env python3
"""VCAS with PEFT: LoRA in the linears of attention; the frozen weights cost nothing in the backward pass.

    python examples/run_lora.py --steps 200
"""

import argparse
import functools
import itertools

import peft
import torch
import transformers
import vcas
from made_up_texts import CLASSES, VOCABULARY, MadeUpTexts, batches


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--steps", type=int, default=200, help="(default: %(default)s)")
    parser.add_argument("--batch", type=int, default=32, help="texts a step (default: %(default)s)")
    parser.add_argument("--rank", type=int, default=8, help="of LoRA (default: %(default)s)")
    parser.add_argument("--cal_var_freq", type=int, default=20, help="steps between adaptations (default: %(default)s)")
    return parser.parse_args()


def loss_of(model: torch.nn.Module, batch: dict[str, torch.Tensor]) -> torch.Tensor:
    return model(**batch).loss


def main() -> None:
    arguments = parse_arguments()
    torch.manual_seed(0)
    config = transformers.BertConfig(vocab_size=VOCABULARY, hidden_size=64, num_hidden_layers=4, num_attention_heads=4,
                                     intermediate_size=256, max_position_embeddings=64, num_labels=CLASSES)
    lora = peft.LoraConfig(task_type="SEQ_CLS", r=arguments.rank, target_modules=["query", "value"])
    model = peft.get_peft_model(transformers.BertForSequenceClassification(config), lora)
    model.print_trainable_parameters()
    optimizer = torch.optim.AdamW((weight for weight in model.parameters() if weight.requires_grad), lr=5e-3)

    # After get_peft_model: what is attached is the model as it will be trained.
    options = vcas.SamplingOptions(cal_var_freq=arguments.cal_var_freq)
    vcas.attach(model, options)
    controller = vcas.Controller(model, options)
    model.train()
    for step, batch in enumerate(itertools.islice(batches(MadeUpTexts(4000), arguments.batch), arguments.steps), 1):
        optimizer.zero_grad()
        loss = controller.step(functools.partial(loss_of, model, batch))
        optimizer.step()
        if step % 50 == 0:
            kept = ", ".join(f"{ratio:.0%}" for ratio in controller.metrics()["rho"])
            print(f"step {step}: loss {loss.item():.4f}, samples kept by block {kept}")

    vcas.detach(model)
    gradients = sorted(name for name, weight in model.named_parameters() if weight.grad is not None)
    print(f"{len(gradients)} weights had gradients, such as {gradients[-1]}")


if __name__ == "__main__":
    main()

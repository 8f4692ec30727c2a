"""Trains a small model of transformers by vcas.Controller on made-up batches, as compare_commits.py asks.

Leaves metrics.jsonl, model.safetensors and, with --save_steps, checkpoint.pt in --output_dir. Exit status 2: the
checkpoint to go on from was refused.
"""

import argparse
import dataclasses
import json
import sys
from pathlib import Path

import torch
import transformers
import vcas
from safetensors.torch import save_file

VOCABULARY, LABELS, TEXTS, POSITIONS = 200, 5, 16, 20


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", choices=("bert", "gpt2"), required=True)
    parser.add_argument("--policy", choices=("solve", "paper"), required=True)
    parser.add_argument("--blocks", choices=("fused", "generic"), default="fused", help="who runs them")
    parser.add_argument("--steps", type=int, default=20)
    parser.add_argument("--accumulation", type=int, default=1, help="micro-batches of a step")
    parser.add_argument("--save_steps", type=int, default=0, help="step inside an adaptation to save after")
    parser.add_argument("--resume_from_checkpoint", type=Path)
    parser.add_argument("--output_dir", type=Path, required=True)
    return parser.parse_args()


def make_model(name: str, fusable: bool) -> torch.nn.Module:
    """Two blocks with random weights and dropout, in training mode. ReLU keeps the fused operator off them."""
    torch.manual_seed(0)
    both = dict(vocab_size=VOCABULARY, num_labels=LABELS, pad_token_id=0, initializer_range=0.1)
    if name == "bert":
        shape = dict(hidden_size=64, num_hidden_layers=2, num_attention_heads=4, intermediate_size=128)
        config = transformers.BertConfig(hidden_act="gelu" if fusable else "quick_gelu", **both, **shape)
        return transformers.BertForSequenceClassification(config).train()
    shape = dict(n_embd=64, n_layer=2, n_head=4, n_positions=64, bos_token_id=1, eos_token_id=1)
    config = transformers.GPT2Config(activation_function="gelu_new" if fusable else "quick_gelu", **both, **shape)
    return transformers.GPT2ForSequenceClassification(config).train()


def make_batch(number: int) -> dict[str, torch.Tensor]:
    """Texts of random lengths whose class is a function of their first token."""
    generator = torch.Generator().manual_seed(number)
    ids = torch.randint(2, VOCABULARY, (TEXTS, POSITIONS), generator=generator)
    lengths = torch.randint(2, POSITIONS + 1, (TEXTS,), generator=generator)
    mask = (torch.arange(POSITIONS) < lengths[:, None]).long()
    return {"input_ids": ids * mask, "attention_mask": mask, "labels": ids[:, 0] % LABELS}


def sampling_options(policy: str) -> vcas.SamplingOptions:
    """Several adaptations in few micro-batches; nothing gated, where the package has a gate."""
    known = {field.name for field in dataclasses.fields(vcas.SamplingOptions)}
    gate = {name: False for name in ("benefit_gate", "gate") if name in known}
    paper = {"s_update_step": 0.05} if policy == "paper" else {}
    return vcas.SamplingOptions(
        policy=policy, cal_var_freq=6, cal_var_stretch=1, act_var_tau=0.2, w_var_tau=0.2, **paper, **gate
    )


def attach(model: torch.nn.Module, arguments: argparse.Namespace) -> vcas.Controller:
    attachment = vcas.attach(model, sampling_options(arguments.policy), verbose=False)
    if attachment.fused != (arguments.blocks == "fused"):
        raise SystemExit(f"expected {arguments.blocks} blocks, got others:\n{attachment.table()}")
    return vcas.Controller(model)


def is_inside_adaptation(numbers: object) -> bool:
    """Whether the numbers of a controller's state, in JSON, hold a window that is not closed."""
    if not isinstance(numbers, dict):
        return False
    return numbers.get("window") is not None or any(map(is_inside_adaptation, numbers.values()))


def save(
    path: Path, step: int, model: torch.nn.Module, controller: vcas.Controller, optimizer: torch.optim.Optimizer
) -> None:
    """Leaves a checkpoint.

    Raises:
        SystemExit: when it does not hold what an adaptation has measured so far.
    """
    state = controller.state_dict()
    if not is_inside_adaptation(json.loads(state["controller"])):
        raise SystemExit(f"expected step {step} to lie inside an adaptation")
    torch.save(
        {"step": step, "model": model.state_dict(), "controller": state, "optimizer": optimizer.state_dict()}, path
    )


def load(path: Path, model: torch.nn.Module, controller: vcas.Controller, optimizer: torch.optim.Optimizer) -> int:
    """Gives the steps that a checkpoint had taken."""
    saved = torch.load(path, weights_only=True)
    model.load_state_dict(saved["model"])
    optimizer.load_state_dict(saved["optimizer"])
    try:
        controller.load_state_dict(saved["controller"])
    except vcas.VcasError as error:
        print(f"{path}: {error}", file=sys.stderr)
        raise SystemExit(2) from None
    return saved["step"]


def train(arguments: argparse.Namespace) -> None:
    model = make_model(arguments.model, fusable=arguments.blocks == "fused")
    controller = attach(model, arguments)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    first = 0
    if arguments.resume_from_checkpoint:
        first = load(arguments.resume_from_checkpoint, model, controller, optimizer)
    with (arguments.output_dir / "metrics.jsonl").open("w", encoding="utf-8") as log:
        for step in range(first, arguments.steps):
            losses = []
            for number in range(step * arguments.accumulation, (step + 1) * arguments.accumulation):
                inputs = make_batch(number)
                torch.manual_seed(number)  # of dropout outside fused blocks
                loss = controller.step(lambda: model(**inputs).loss, 1 / arguments.accumulation)  # noqa: B023
                losses.append(loss.item())
            optimizer.step()
            optimizer.zero_grad()
            print(json.dumps({"step": step + 1, "loss": losses, **controller.metrics()}), file=log)
            if step + 1 == arguments.save_steps:
                save(arguments.output_dir / "checkpoint.pt", step + 1, model, controller, optimizer)
    save_file(model.state_dict(), arguments.output_dir / "model.safetensors")


def main() -> None:
    arguments = parse_arguments()
    torch.set_num_threads(1)
    arguments.output_dir.mkdir(parents=True, exist_ok=True)
    train(arguments)


if __name__ == "__main__":
    main()

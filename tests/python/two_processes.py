"""Started on two processes by distributed_test.py: trains, and trains again from a checkpoint of the first run."""

import gc
import json
import sys
from pathlib import Path

import torch.distributed as dist
import vcas
from hugging_face_support import four_steps, logged, tiny_bert, training_arguments


def trained(folder: Path, seed: int, checkpoint: str | None) -> vcas.VcasTrainer:
    """Accumulates two micro-batches, so that adaptations also fall on gradients that are not reduced yet."""
    arguments = training_arguments(folder, max_steps=9, gradient_accumulation_steps=2, save_strategy="steps", save_steps=4)
    trainer = four_steps(arguments, model=tiny_bert(seed=seed), train_samples=400, act_var_tau=0.5, w_var_tau=0.5)
    trainer.train(resume_from_checkpoint=checkpoint)
    return trainer


def outcome(trainer: vcas.VcasTrainer) -> dict[str, object]:
    """All that should be equal on the processes, and after resuming; losses are means over the processes."""
    weights = [parameter.detach().double().sum().item() for parameter in trainer.model.parameters()]
    metrics = trainer.controller.metrics()
    del metrics["flops"]  # of the process
    return {"weights": weights, "losses": logged(trainer, "loss"), "metrics": metrics}


def report(folder: Path) -> None:
    whole = trained(folder, 0, None)
    resumed = trained(folder, 9, str(folder / "checkpoint-4"))
    outcomes = {"whole": outcome(whole), "resumed": outcome(resumed)}
    (folder / f"rank_{whole.args.process_index}.json").write_text(json.dumps(outcomes))


def main() -> None:
    try:
        report(Path(sys.argv[1]))
        dist.barrier()
    finally:
        # Gloo's threads must not outlive the interpreter: the wrapped models go first, which hold them too.
        gc.collect()
        dist.destroy_process_group()


if __name__ == "__main__":
    main()

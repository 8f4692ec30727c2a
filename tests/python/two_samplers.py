"""Started on two processes by sampler_ranks_test.py: the same model, other batches, and one loss that is not finite."""

import json
import sys
from pathlib import Path

import small_models as small
import torch
import torch.distributed as dist
import vcas

WINDOW_WITHOUT_END = 8  # the first micro-batch of a second window


def adaptations_where_one_cannot_sample() -> int:
    """Every micro-batch is due; process 1 runs its own exactly, because the padded batch's hidden states are wanted."""
    model = small.make(small.CLASSIFIERS["bert"], "bert")
    vcas.attach(model, verbose=False)
    controller = vcas.Controller(model)
    inputs = small.batch("bert", side="left" if dist.get_rank() == 1 else "none")
    for _ in range(3):
        controller.step(lambda: model(**inputs, output_hidden_states=True).loss)
    return controller.adaptations


def report(folder: Path) -> None:
    without_agreement = adaptations_where_one_cannot_sample()
    model = small.make(small.CLASSIFIERS["bert"], "bert")
    vcas.attach(model, verbose=False)
    options = vcas.SamplingOptions(cal_var_freq=32, act_var_tau=0.3, w_var_tau=0.3)
    controller = vcas.Controller(model, options)
    adaptations = []
    for step in range(WINDOW_WITHOUT_END + 3):
        inputs = small.batch("bert", samples=24, seed=2 * step + dist.get_rank())
        spoilt = float("nan") if step == WINDOW_WITHOUT_END and dist.get_rank() == 1 else 1.0
        controller.step(lambda: model(**inputs).loss * spoilt)  # noqa: B023
        adaptations.append(controller.adaptations)
    metrics = controller.metrics()
    del metrics["flops"]  # of the process
    outcome = {"metrics": metrics, "adaptations": adaptations, "without_agreement": without_agreement}
    (folder / f"rank_{dist.get_rank()}.json").write_text(json.dumps(outcome))


def main() -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    try:
        report(Path(sys.argv[1]))
        dist.barrier()
    finally:
        # Gloo's threads must not outlive the interpreter.
        dist.destroy_process_group()


if __name__ == "__main__":
    main()

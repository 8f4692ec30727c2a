"""Started on two processes by sampler_ranks_test.py: the same model, other batches, and one loss that is not finite."""

import json
import sys
from pathlib import Path

import small_models as small
import torch
import torch.distributed as dist
import vcas

WINDOW_WITHOUT_END = 8  # the first micro-batch of a second window


def report(folder: Path) -> None:
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
    (folder / f"rank_{dist.get_rank()}.json").write_text(json.dumps({"metrics": metrics, "adaptations": adaptations}))


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

"""Step 4: `transformers.Trainer` with sampled backward passes."""

import contextlib
import os
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch._functorch.config as functorch_config
from accelerate import Accelerator
from accelerate.utils import DistributedType, find_batch_size
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LambdaLR
from torch.utils.data import Dataset
from transformers import (
    DataCollator,
    EvalPrediction,
    PreTrainedModel,
    PreTrainedTokenizerBase,
    Trainer,
    TrainerCallback,
    TrainingArguments,
)
from transformers.utils import logging

from vcas.control.controller import Controller
from vcas.errors import VcasError
from vcas.hugging_face.metrics import AdaptationLog
from vcas.hugging_face.sample_scheme import VcasSampleScheme

logger = logging.get_logger(__name__)


class VcasTrainer(Trainer):
    """A `transformers.Trainer` whose backward passes are sampled, and which adapts how much they keep.

    Takes what the original's `VcasTrainer` takes, in its order, and by name what `Trainer` has gained since. Everything
    that a Trainer does works as it does there. On top of it

    - after each adaptation `log` gets the original's metrics (`s`, `act_ratio_first`, `flops_ratio`, …; see
      `vcas.hugging_face.metrics`), and so do `state.log_history` and every logger;
    - a checkpoint also holds the controller's state, and a resumed run goes on as if it had not been interrupted. From
      a checkpoint without it (one of `transformers.Trainer`) the run starts with exact passes, and says so;
    - a model that no `VcasModelProcessor` has processed is attached by `vcas.attach` with the scheme's settings.

    Only micro-batches of the largest number of samples seen so far adapt: the smaller last one of an epoch does not.

    Args:
        model: a model on which `VcasModelProcessor.process` was called, or one that nothing has been done to.
        sample_scheme: the processor's scheme (default: one with default settings).
        args: as for `Trainer`; `seed` is also the seed of the draws.
        tokenizer: the older name of `processing_class`.
        trainer_arguments: the other arguments of `Trainer`, among them `processing_class`, `compute_loss_func` and
            `optimizer_cls_and_kwargs`.

    Attributes:
        sample_scheme: the scheme.
        controller: the `vcas.Controller` of the run.

    Raises:
        VcasError: the settings ask for something that sampling does not support (`fp16`, DeepSpeed, FSDP,
            `nn.DataParallel`, LOMO), or the model cannot be attached.
    """

    controller: Controller

    def __init__(
        self,
        model: PreTrainedModel | nn.Module | None = None,
        sample_scheme: VcasSampleScheme | None = None,
        args: TrainingArguments | None = None,
        data_collator: DataCollator | None = None,
        train_dataset: "Dataset[Any] | None" = None,
        eval_dataset: "Dataset[Any] | dict[str, Dataset[Any]] | None" = None,
        tokenizer: PreTrainedTokenizerBase | None = None,
        model_init: Callable[..., PreTrainedModel] | None = None,
        compute_metrics: Callable[[EvalPrediction], dict[str, float]] | None = None,
        callbacks: list[TrainerCallback] | None = None,
        optimizers: tuple[Optimizer | None, LambdaLR | None] = (None, None),
        preprocess_logits_for_metrics: Callable[..., torch.Tensor] | None = None,
        **trainer_arguments: Any,
    ) -> None:
        if sample_scheme is not None and not isinstance(sample_scheme, VcasSampleScheme):
            raise VcasError(f"VcasTrainer: sample_scheme: expected a VcasSampleScheme, got {sample_scheme!r:.80}")
        if tokenizer is not None and trainer_arguments.setdefault("processing_class", tokenizer) is not tokenizer:
            raise VcasError("VcasTrainer: expected tokenizer or processing_class, got both")
        self.sample_scheme = sample_scheme or VcasSampleScheme()
        self._largest_batch = 0
        super().__init__(
            model=model,
            args=args,
            data_collator=data_collator,
            train_dataset=train_dataset,
            eval_dataset=eval_dataset,
            model_init=model_init,
            compute_metrics=compute_metrics,
            callbacks=callbacks,
            optimizers=optimizers,
            preprocess_logits_for_metrics=preprocess_logits_for_metrics,
            **trainer_arguments,
        )
        refuse_what_cannot_be_sampled(self.args, self.accelerator)
        if self.args.torch_compile:
            # An adaptation goes back over one forward pass several times.
            functorch_config.donated_buffer = False
        if model is not None:
            self._control(model)

    def call_model_init(self, trial: object = None) -> nn.Module:
        """A fresh model of `model_init`, attached and with a controller of its own."""
        model: nn.Module = super().call_model_init(trial)
        self._control(model)
        return model

    def training_step(
        self,
        model: nn.Module,
        inputs: dict[str, torch.Tensor | Any],
        num_items_in_batch: torch.Tensor | int | None = None,
    ) -> torch.Tensor:
        """Trainer's own, but that the controller runs the backward pass. Gives the detached loss []."""
        size = find_batch_size(inputs) or 0
        self._largest_batch = max(self._largest_batch, size)

        def backward(loss: torch.Tensor, **_: object) -> None:
            # The controller measures variances of unscaled gradients, whatever is accumulated.
            steps = self.current_gradient_accumulation_steps
            full_size = size == self._largest_batch
            self.controller.backward(loss * steps, loss_scale=1 / steps, full_size=full_size)

        with _replaced_backward(self.accelerator, backward):
            loss: torch.Tensor = super().training_step(model, inputs, num_items_in_batch)
        if self.controller.adaptations > self._adaptation_log.adaptations:
            self.log(self._adaptation_log.entry(self.controller.metrics()))
        return loss

    def compute_loss_context_manager(self) -> contextlib.ExitStack:
        """Trainer's own; in training the controller also records the forward pass that runs inside."""
        stack: contextlib.ExitStack = super().compute_loss_context_manager()
        if torch.is_grad_enabled():
            stack.enter_context(self.controller.record())
        return stack

    def _control(self, model: nn.Module) -> None:
        dtype = torch.bfloat16 if self.args.bf16 else None
        self.controller = self.sample_scheme.control(model, self.args.seed, dtype)
        self._adaptation_log = AdaptationLog()

    # Called for checkpoints that hold more than the weights, after Trainer has made the folder.
    def _save_optimizer_and_scheduler(self, output_dir: str) -> None:
        super()._save_optimizer_and_scheduler(output_dir)
        os.makedirs(output_dir, exist_ok=True)
        state = {
            "controller": self.controller.state_dict(),
            "adaptation_log": self._adaptation_log.state_dict(),
            "largest_batch": self._largest_batch,
        }
        torch.save(state, self._state_file(output_dir))

    def _load_optimizer_and_scheduler(self, checkpoint: str | None) -> None:
        super()._load_optimizer_and_scheduler(checkpoint)
        if checkpoint is None:
            return
        path = self._state_file(checkpoint)
        if not os.path.isfile(path):
            logger.warning(f"{path} is missing: VCAS starts with exact passes and adapts anew")
            return
        state = torch.load(path, map_location="cpu", weights_only=True)
        self.controller.load_state_dict(state["controller"])
        self._adaptation_log.load_state_dict(state["adaptation_log"])
        self._largest_batch = state["largest_batch"]

    def _state_file(self, checkpoint: str) -> str:
        """One a process, like Trainer's files of random states: a window's gradients are those of a process."""
        suffix = "" if self.args.world_size <= 1 else f"_{self.args.process_index}"
        return os.path.join(checkpoint, f"vcas_controller{suffix}.pt")


@contextlib.contextmanager
def _replaced_backward(accelerator: Accelerator, backward: Callable[..., None]) -> Iterator[None]:
    """`accelerator.backward` is another function inside: all that Trainer's training_step leaves to replace."""
    vars(accelerator)["backward"] = backward
    try:
        yield
    finally:
        del vars(accelerator)["backward"]


def refuse_what_cannot_be_sampled(args: TrainingArguments, accelerator: Accelerator) -> None:
    """Raises VcasError for settings under which sampling would be wrong or would not run."""
    refused = {
        "fp16: its loss scale moves the variances that sampling is adapted by; use bf16": args.fp16,
        "DeepSpeed, which runs backward passes itself": accelerator.distributed_type == DistributedType.DEEPSPEED,
        "FSDP, which shards the gradients that variances are taken of": accelerator.distributed_type
        == DistributedType.FSDP,
        f"nn.DataParallel over {args.n_gpu} GPUs; start one process for each (torchrun)": args.n_gpu > 1,
        f"the optimizer {args.optim}, which updates weights inside the backward pass": "lomo" in str(args.optim),
    }
    for what, asked in refused.items():
        if asked:
            raise VcasError(f"VcasTrainer does not support {what}")

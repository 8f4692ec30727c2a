"""Step 3: makes the blocks of a model sample their backward pass."""

from torch import nn

from vcas.attach.attachment import Attachment, attach
from vcas.control.ranks import rank
from vcas.errors import VcasError
from vcas.hugging_face.sample_scheme import VcasSampleScheme


class VcasModelProcessor:
    """Attaches the sampling operators to the blocks of one class.

    Names in the state_dict stay what they were, unlike the original's: the files that `save_pretrained` writes load
    into the unprocessed model, and the other way round.

    Args:
        model: to be trained; changed in place by `process`.
        act_sampling_repetend: class of the blocks, such as `BertLayer` or a class of your own.
        scheme: the scheme that `VcasTrainer` is given too.

    Raises:
        VcasError: `act_sampling_repetend` is not a class of modules.
    """

    def __init__(self, model: nn.Module, act_sampling_repetend: type[nn.Module], scheme: VcasSampleScheme) -> None:
        if not (isinstance(act_sampling_repetend, type) and issubclass(act_sampling_repetend, nn.Module)):
            raise VcasError(
                f"VcasModelProcessor: act_sampling_repetend: expected the class of the model's blocks (such as "
                f"BertLayer), got {act_sampling_repetend!r}"
            )
        self.model = model
        self.act_sampling_repetend = act_sampling_repetend
        self.scheme = scheme

    def process(self) -> Attachment:
        """Attaches, and prints what will be sampled and what not; of several processes the first prints.

        Returns:
            What `vcas.attach` returns.

        Raises:
            VcasError: the model has no block of that class, is attached already, or something in it cannot be sampled
                right. The model is then as it was.
        """
        options = self.scheme.args.sampling_options()
        attachment = attach(self.model, options, block_class=self.act_sampling_repetend, verbose=rank() == 0)
        self.scheme.processed(self.model)
        return attachment

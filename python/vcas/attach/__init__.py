"""Makes the blocks of a model sample their backward pass.

``vcas.attach`` is the function; modules of this folder are reached by ``from vcas.attach.x import y``.
"""

from vcas.attach.attachment import Attachment, attach, attachment_of, detach
from vcas.attach.measure_costs import measure_costs

__all__ = ["Attachment", "attach", "attachment_of", "detach", "measure_costs"]

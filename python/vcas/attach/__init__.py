"""Makes the blocks of a model sample their backward pass.

``vcas.attach`` is the function; modules of this folder are reached by ``from vcas.attach.x import y``.
"""

from vcas.attach.attachment import Attachment, attach, attachment_of, detach

__all__ = ["Attachment", "attach", "attachment_of", "detach"]

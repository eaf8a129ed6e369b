"""Networks that MMSegmentation lacks, registered in its own registries."""
from . import pretrained  # noqa: F401
from .decode_heads import SegFormerHead  # noqa: F401

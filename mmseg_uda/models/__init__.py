"""Networks that MMSegmentation lacks, registered in its own registries."""

from . import pretrained  # noqa: F401
from .backbones import MixTransformer, TimmEncoder  # noqa: F401
from .decode_heads import DAFormerHead, DLV2Head, HRDAHead, SegFormerHead, VFMHead  # noqa: F401
from .necks import SegFormerAdapter  # noqa: F401
from .segmentors import HRDAEncoderDecoder  # noqa: F401

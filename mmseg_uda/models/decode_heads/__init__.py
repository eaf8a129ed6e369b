from .advent_head import AdventHead
from .daformer_head import DAFormerHead
from .dlv2_head import DLV2Head
from .hrda_head import HRDAFeatures, HRDAHead, HRDALogits
from .se_aspp_head import SEASPPHead
from .segformer_head import SegFormerHead
from .vfm_head import VFMHead
from .vfm_pyramid_head import VFMPyramidHead

__all__ = [
    'AdventHead',
    'DAFormerHead',
    'DLV2Head',
    'HRDAFeatures',
    'HRDAHead',
    'HRDALogits',
    'SEASPPHead',
    'SegFormerHead',
    'VFMHead',
    'VFMPyramidHead',
]

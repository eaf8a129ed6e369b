from .advent_resnet import AdventResNet
from .mit import MixTransformer
from .rein import ReinEncoder
from .timm_encoder import TimmEncoder
from .vit_adapter import ViTAdapter

__all__ = ['AdventResNet', 'MixTransformer', 'ReinEncoder', 'TimmEncoder', 'ViTAdapter']

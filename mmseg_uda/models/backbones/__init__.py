from .advent_resnet import AdventResNet
from .mit import MixTransformer

__all__ = ['AdventResNet', 'MixTransformer']

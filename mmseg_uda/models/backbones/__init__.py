from .mit import MixTransformer

__all__ = ['MixTransformer']

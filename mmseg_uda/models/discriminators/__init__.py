from .fully_convolutional import FCDiscriminator
from .strided import StridedDiscriminator

__all__ = ['FCDiscriminator', 'StridedDiscriminator']

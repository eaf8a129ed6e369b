from .fully_convolutional import FCDiscriminator

__all__ = ['FCDiscriminator']

from .hrda import HRDAEncoderDecoder

__all__ = ['HRDAEncoderDecoder']

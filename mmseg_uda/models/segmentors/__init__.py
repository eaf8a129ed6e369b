from .flow_fused import FlowFusedSegmentor
from .hrda import HRDAEncoderDecoder

__all__ = ['FlowFusedSegmentor', 'HRDAEncoderDecoder']

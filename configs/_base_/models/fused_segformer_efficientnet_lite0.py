# The small CPU network on clips.
_base_ = ['./segformer_efficientnet_lite0.py']
model = dict(type='FlowFusedSegmentor')

# tiny_lite0 on clips: scores of the frame before, moved along the flow, are fused with those of the current one.
_base_ = ['./tiny_lite0.py']
model = dict(type='FlowFusedSegmentor', decode_head=dict(num_classes=15))

# The network of DA-VSN and TPS: ADVENT's DeepLabV2, scores of the frame before fused along the flow. 15 classes (VIPER).
_base_ = ['./deeplabv2_advent_r101.py']
model = dict(
    type='FlowFusedSegmentor',
    decode_head=dict(num_classes=15),
    auxiliary_head=dict(num_classes=15),
    fusion=dict(warp='backward', flow_scale='per_axis'),
)

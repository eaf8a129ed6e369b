# The transformer of UDASS video: DAFormer's network on clips. 15 classes (VIPER).
_base_ = ['./daformer_sepaspp_mitb5.py']
model = dict(
    type='FlowFusedSegmentor',
    decode_head=dict(num_classes=15, loss_decode=dict(_delete_=True, type='ValidPixelCrossEntropy', loss_weight=1.0)),
    fusion=dict(warp='backward', flow_scale='per_axis'),
)

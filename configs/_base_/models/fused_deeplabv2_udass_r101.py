# The CNN of UDASS video: the main classifier has 256 features, drop-out and a 1x1 layer.
_base_ = ['./fused_deeplabv2_advent_r101.py']
model = dict(decode_head=dict(type='AdventBottleneckHead', mid_channels=256, channel_dropout=0.1))

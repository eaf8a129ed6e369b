# DA-VSN on the toy videos: the game's drives to the European city. The network has one classifier.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/fused_tiny_lite0.py',
    '../_base_/datasets/video_toy_viper_seq_to_toy_cityscapes_seq_128x256.py',
    '../_base_/uda/davsn.py',
    '../_base_/schedules/adversarial_toy_500.py',
]
uda = dict(
    lambda_u=dict(_delete_=True, decode=0.001),
    consistency=dict(_delete_=True, decode=0.001),
    discriminator=dict(ndf=16),
)

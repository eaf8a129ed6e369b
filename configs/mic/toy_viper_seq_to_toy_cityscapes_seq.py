# MIC on DACS frame by frame on the toy videos: the game's drives to the European city.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/tiny_lite0.py',
    '../_base_/datasets/uda_toy_viper_seq_to_toy_cityscapes_seq_128x256.py',
    '../_base_/uda/mic_target.py',
    '../_base_/schedules/toy_500.py',
]
model = dict(decode_head=dict(num_classes=15))
uda = dict(
    mask_generator=dict(mask_block_size=16),
    # this network has batch norm in every layer: masked images must not shape the statistics that it is tested with
    mask_running_statistics=False,
)

# Source-only: RIPU's DeepLabV2 (four dilations) on whole SYNTHIA images; its source-free variant starts from this network.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/ripu_deeplabv2_r101_16cls.py',
    '../_base_/active/ripu_synthia_to_cityscapes_1280x640.py',
    '../_base_/schedules/ripu_source_20k.py',
]
data = dict(train=dict(labeled_target=None))
active = None

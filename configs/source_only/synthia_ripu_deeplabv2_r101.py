# Source-only: RIPU's DeepLabV2 (four dilations) on whole SYNTHIA images; its source-free variant starts from this network.
_base_ = ['../_base_/recipes/source_only_ripu_r101.py', '../_base_/active/ripu_synthia_to_cityscapes_1280x640.py']
data = dict(train=dict(labeled_target=None))
active = None

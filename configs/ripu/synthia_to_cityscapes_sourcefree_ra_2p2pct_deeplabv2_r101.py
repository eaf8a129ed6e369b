# RIPU-RA without source data: start from a source-only network of SYNTHIA (load_from or --load-from), then 2.2 % of the pixels.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/ripu_deeplabv2_r101.py',
    '../_base_/uda/ripu.py',
    '../_base_/active/ripu_synthia_to_cityscapes_1280x640.py',
    '../_base_/schedules/ripu_40k.py',
]
model = dict(decode_head=dict(num_classes=16))
data = dict(train=dict(source=None))
optimizer = dict(lr=5e-4)
lr_config = dict(horizon=31250)
runner = dict(max_iters=30000)
active = dict(
    folder='work_dirs/ripu_synthia_sourcefree/active', acquisition=dict(type='RegionImpurity', radius=9, norm_classes=19))
custom_hooks = [dict(type='ActiveSelectionHook', iters=[0, 2000, 4000, 6000, 8000])]

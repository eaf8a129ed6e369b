# AdvEnt: GTA5 to Cityscapes with the learning rates that the paper states (every parameter stepped once).
_base_ = ['gta_to_cityscapes_deeplabv2_r101.py']
_segmentor = dict(
    type='SGD',
    lr=2.5e-4,
    momentum=0.9,
    weight_decay=5e-4,
    paramwise_cfg=dict(custom_keys=dict(head=dict(lr_mult=10.0))),
)
optimizer = dict(segmentor=dict(_delete_=True, **_segmentor))

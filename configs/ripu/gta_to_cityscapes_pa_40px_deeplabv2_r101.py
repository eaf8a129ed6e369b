# RIPU-PA: GTA5 to Cityscapes, 40 pixels per image (counted at 1280x640). DeepLabV2 on ResNet-101.
_base_ = ['../_base_/recipes/ripu_deeplabv2_r101.py', '../_base_/active/ripu_gta_to_cityscapes_1280x640.py']
active = dict(
    budget=dict(_delete_=True, pixels=40, rounds=5, reference_size=(640, 1280)),
    acquisition=dict(_delete_=True, type='PixelImpurity', radius=32),
)

# RIPU-RA without source data: start from a source-only network of GTA5 (load_from or --load-from), then 2.2 % of the pixels.
_base_ = ['../_base_/recipes/ripu_sourcefree_deeplabv2_r101.py', '../_base_/active/ripu_gta_to_cityscapes_1280x640.py']
data = dict(train=dict(source=None, rare_class_sampling=None))
active = dict(acquisition=dict(type='RegionImpurity', radius=9, norm_classes=19))

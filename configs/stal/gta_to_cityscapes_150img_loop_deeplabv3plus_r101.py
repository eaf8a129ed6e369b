# STAL as the paper describes it: GTA5 to Cityscapes, 30 + 35 + 85 images with retraining in between, corrected losses.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/deeplabv3plus-rep_r101-d8.py',
    '../_base_/uda/stal.py',
    '../_base_/active/stal_gta_to_cityscapes_769x769.py',
    '../_base_/schedules/stal_40k.py',
]
active = dict(budget=dict(images=[35, 85]))

# STAL as the paper describes it: SYNTHIA to Cityscapes, 30 + 35 + 85 images with retraining in between, corrected losses.
_base_ = [
    '../_base_/recipes/stal_paper_deeplabv3plus_r101.py',
    '../_base_/active/stal_synthia_to_cityscapes_769x769.py',
]
active = dict(budget=dict(images=[35, 85]))

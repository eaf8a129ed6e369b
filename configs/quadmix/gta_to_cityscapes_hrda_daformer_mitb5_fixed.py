# As gta_to_cityscapes_hrda_daformer_mitb5.py without the accidents of the released code.
_base_ = ['gta_to_cityscapes_hrda_daformer_mitb5.py']
uda = dict(
    reinit_teacher=False,
    quad=dict(exclude='class_id', template_ignore=False, patch_norm='consistent', patch_weight='one'),
)
data = dict(train=dict(class_patches=dict(images_per_draw=1)))

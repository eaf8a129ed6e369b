# QuadMix on DAFormer with masking at half resolution: SYNTHIA to Cityscapes.
_base_ = ['../mic/synthia_to_cityscapes_daformer_mitb5.py']
uda = dict(type='QuadMix', start_iter=6000)
data = dict(
    train=dict(class_patches=dict(scale=(1024, 512), pool=[3, 3, 4, 4, 4, 4, 5, 5, 6, 7, 12, 13, 18], min_pixels=3))
)

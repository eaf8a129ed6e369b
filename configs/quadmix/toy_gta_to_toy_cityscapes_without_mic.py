# Composition: QuadMix without masked images, on DAFormer's training.
_base_ = ['toy_gta_to_toy_cityscapes.py']
uda = dict(mask_mode=None)

# Composition: QuadMix on the plain teacher of DACS, no feature distance, no masked images.
_base_ = ['toy_gta_to_toy_cityscapes.py']
uda = dict(mask_mode=None, imnet_feature_dist_lambda=0)

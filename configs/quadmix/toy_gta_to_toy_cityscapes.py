# QuadMix on MIC in the toy world, from scratch. Patches are cut out as soon as self-training begins.
_base_ = ['../mic/toy_gta_to_toy_cityscapes.py']
uda = dict(type='QuadMix', start_iter=0, running_statistics='target')
data = dict(train=dict(class_patches=dict(scale=(256, 128), pool=[3, 4, 5, 6, 12, 15, 16, 17, 18], min_pixels=10)))

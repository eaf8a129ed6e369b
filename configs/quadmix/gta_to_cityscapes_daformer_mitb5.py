# QuadMix on DAFormer with masking at half resolution: GTA5 to Cityscapes. Patches are half as large, so a quarter of the pixels suffices.
_base_ = ['../mic/gta_to_cityscapes_daformer_mitb5.py']
uda = dict(type='QuadMix', start_iter=6000)
data = dict(train=dict(class_patches=dict(scale=(1024, 512), pool=[3, 4, 5, 6, 12, 15, 16, 17, 18], min_pixels=13)))

# QuadMix on DAFormer with masking at half resolution, with 100 labelled images: GTA5 to Cityscapes.
_base_ = ['../mic/gta_to_cityscapes_100labels_daformer_mitb5.py']
uda = dict(type='QuadMix', start_iter=6000)
data = dict(train=dict(class_patches=dict(scale=(1024, 512), pool=[3, 4, 5, 6, 12, 15, 16, 17, 18], min_pixels=13)))

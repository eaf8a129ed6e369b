# QuadMix on DACS's training of SegFormer-B0 at half resolution: GTA5 to Cityscapes.
_base_ = ['../dacs/gta_to_cityscapes_segformer_b0.py']
uda = dict(type='QuadMix', start_iter=6000)
data = dict(train=dict(class_patches=dict(scale=(1024, 512), pool=[3, 4, 5, 6, 12, 15, 16, 17, 18], min_pixels=13)))

# QuadMix: Cityscapes to ACDC, HRDA(DAFormer, MiT-B5), from scratch, with the class list that the authors gave on request.
_base_ = ['../mic/cityscapes_to_acdc_hrda_daformer_mitb5.py']
uda = dict(type='QuadMix', start_iter=6000)
data = dict(train=dict(class_patches=dict(scale=(2048, 1024), pool=[4, 6, 15, 17, 18], min_pixels=50)))

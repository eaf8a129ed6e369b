# MIC: Cityscapes to Dark Zurich, HRDA(DAFormer, MiT-B5).
_base_ = [
    '../_base_/recipes/mic_hrda_daformer_mitb5.py',
    '../_base_/datasets/uda_cityscapesHR_to_darkzurichHR_1024x1024.py',
]
uda = dict(mask_mode='separate')
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))

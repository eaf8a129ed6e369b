# HRDA: Cityscapes to Dark Zurich, HRDA(DAFormer, MiT-B5).
_base_ = [
    '../_base_/recipes/hrda_daformer_mitb5.py',
    '../_base_/datasets/uda_cityscapesHR_to_darkzurichHR_1024x1024.py',
]
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))

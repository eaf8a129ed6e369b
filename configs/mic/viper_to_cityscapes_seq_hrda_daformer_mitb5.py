# MIC frame by frame: VIPER to Cityscapes-Seq, the image baseline of the video methods.
_base_ = [
    '../_base_/recipes/mic_hrda_daformer_mitb5.py',
    '../_base_/datasets/uda_viperHR_to_cityscapes_seqHR_1024x1024.py',
]
model = dict(decode_head=dict(num_classes=15))
uda = dict(imnet_feature_dist_classes=[4, 5, 9, 10, 11, 12, 13, 14])
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))

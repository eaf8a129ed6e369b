# DACS with the feature distance on thing classes alone: GTA5 to Cityscapes, SegFormer-B5.
_base_ = ['../dacs/gta_to_cityscapes_segformer_b5.py']
uda = dict(
    imnet_feature_dist_lambda=0.005,
    imnet_feature_dist_classes=[6, 7, 11, 12, 13, 14, 15, 16, 17, 18],
    imnet_feature_dist_scale_min_ratio=0.75,
)

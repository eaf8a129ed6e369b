# DAFormer's training (feature distance, rare-class sampling) of the small CPU network: CamVid by day to dusk.
_base_ = ['../_base_/recipes/daformer_camvid.py', '../_base_/datasets/uda_camvid_day_to_dusk_256x256.py']
data = dict(train=dict(rare_class_sampling={{_base_.rare_classes}}))

# Two synthetic sources as one stream to Cityscapes; every image is equally likely (shares=dict(source=[0.5, 0.5]) weighs the data sets).
_base_ = ['vfm_gta_to_cityscapes_1024x1024.py']
data = dict(train=dict(source=dict(_delete_=True, type='ConcatDataset', datasets=[{{_base_.gta}}, {{_base_.synthia}}])))

# DSTC's data with SYNTHIA (1280x760) as source and the 16 classes that it shares with Cityscapes; scored over 16 and 13.
_base_ = ['dstc_gta_to_cityscapes_100labels.py']
_space = dict(label_space='city16')
data = dict(train=dict(source={{_base_.synthia}}, target=_space, labeled_target=_space), val=_space, test=_space)

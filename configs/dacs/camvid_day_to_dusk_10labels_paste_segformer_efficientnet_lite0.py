# DACS with 10 labelled frames that do more: half of the pasted classes come from them, and as they are target images too, their
# ground truth replaces the pseudo-labels.
_base_ = ['camvid_day_to_dusk_10labels_segformer_efficientnet_lite0.py']
data = dict(train=dict(known_labels=True, target=dict(split='splits/dusk_train.txt')))
uda = dict(labeled_target=dict(paste=0.5, override=True))

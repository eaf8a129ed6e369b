# AdaptSegNet with 10 labelled frames: CamVid by day to CamVid at dusk. Small network for a CPU.
_base_ = ['../advent/camvid_day_to_dusk_10labels_segformer_efficientnet_lite0.py']
uda = dict(type='AdaptSegNet', input_transform='prob')

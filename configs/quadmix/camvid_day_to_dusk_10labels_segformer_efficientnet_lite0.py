# QuadMix on MIC with 10 labelled frames: CamVid by day to dusk, from scratch, with patches of the thin and rare classes.
_base_ = ['../mic/camvid_day_to_dusk_10labels_segformer_efficientnet_lite0.py']
uda = dict(type='QuadMix', start_iter=100, running_statistics='target')
data = dict(
    train=dict(
        class_patches=dict(scale=(480, 360), pool=['pole', 'sign', 'fence', 'pedestrian', 'bicyclist'], min_pixels=10)
    )
)

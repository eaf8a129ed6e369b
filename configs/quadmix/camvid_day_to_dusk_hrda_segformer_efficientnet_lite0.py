# QuadMix on MIC on HRDA: CamVid by day to dusk, from scratch.
_base_ = ['../mic/camvid_day_to_dusk_hrda_segformer_efficientnet_lite0.py']
uda = dict(type='QuadMix', start_iter=100, running_statistics='target')
data = dict(
    train=dict(
        class_patches=dict(scale=(480, 360), pool=['pole', 'sign', 'fence', 'pedestrian', 'bicyclist'], min_pixels=10)
    )
)

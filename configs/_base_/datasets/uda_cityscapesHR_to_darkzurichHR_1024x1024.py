# Cityscapes (day, labelled) to Dark Zurich (night), both at full resolution (HRDA, MIC).
_base_ = ['uda_cityscapesHR_to_acdcHR_1024x1024.py']
data = dict(
    train=dict(
        target=dict(type='DarkZurichDataset', data_root={{_base_.roots.dark_zurich}}, img_dir='rgb_anon/train/night')
    ),
    val=dict(type='DarkZurichDataset', data_root={{_base_.roots.dark_zurich}}),
    test=dict(type='DarkZurichDataset', data_root={{_base_.roots.dark_zurich}}),
)

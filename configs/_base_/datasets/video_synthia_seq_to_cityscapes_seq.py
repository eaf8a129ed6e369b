# SYNTHIA-Seq (850 frames of SEQS-04-DAWN, 1280x760 without the lowest 120 rows) to Cityscapes-Seq (1024x512), 12 classes.
_base_ = ['video_viper_to_cityscapes_seq.py']
source_flow = dict(type='DISFlow', preset='fast', grid=(1280, 760), cache={{_base_.flow_cache}})
data = dict(
    train=dict(
        source=dict(
            _delete_=True,
            type='SynthiaSeqDataset',
            data_root={{_base_.roots.synthia_seq}},
            pipeline=[
                dict(type='TrainingClips', size=(1280, 760), cut_bottom=120 / 760, labels=True, flow=source_flow)
            ],
        ),
        target=dict(label_space='synthia_seq12'),
    ),
    val=dict(label_space='synthia_seq12'),
    test=dict(label_space='synthia_seq12'),
)

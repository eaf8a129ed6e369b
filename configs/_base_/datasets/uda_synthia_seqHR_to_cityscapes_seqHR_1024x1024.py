# SYNTHIA-Seq to Cityscapes-Seq frame by frame, for image methods at high resolution (HRDA, MIC); 12 classes.
_base_ = ['uda_viperHR_to_cityscapes_seqHR_1024x1024.py']
data = dict(
    train=dict(
        source=dict(
            type='SynthiaSeqDataset',
            data_root={{_base_.roots.synthia_seq}},
            img_dir='RGB/Stereo_Left/Omni_F',
            ann_dir='GT/LABELS/Stereo_Left/Omni_F',
        ),
        target=dict(label_space='synthia_seq12'),
    ),
    val=dict(label_space='synthia_seq12'),
    test=dict(label_space='synthia_seq12'),
)

# VIPER to Cityscapes-Seq frame by frame, for image methods at high resolution (HRDA, MIC); 15 classes.
_base_ = ['uda_gtaHR_to_cityscapesHR_1024x1024.py']
_val = dict(type='CityscapesSeqDataset', img_dir='leftImg8bit_sequence/val')
data = dict(
    train=dict(
        source=dict(type='ViperSeqDataset', data_root={{_base_.roots.viper}}, img_dir='train/img', ann_dir='train/cls'),
        target=dict(type='CityscapesSeqDataset', img_dir='leftImg8bit_sequence/train'),
    ),
    val=_val,
    test=_val,
)

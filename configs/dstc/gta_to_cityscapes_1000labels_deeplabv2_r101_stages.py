# DSTC: GTA5 and 1000 labelled Cityscapes images. A recipe for tools/run_stages.py; the source warm-up is the same for
# every number of labels, so another recipe's finished 1_source may be linked or copied into the work folder.
_base_ = ['../_base_/stages/dstc.py']
stages = [
    dict(name='source', type='train', config='gta_to_cityscapes_source_only_deeplabv2_r101.py'),
    dict(name='target', type='train', config='gta_to_cityscapes_1000labels_target_only_deeplabv2_r101.py'),
    dict(
        name='dstc',
        type='train',
        config='gta_to_cityscapes_1000labels_deeplabv2_r101.py',
        options={{_base_.co_training}},
    ),
]

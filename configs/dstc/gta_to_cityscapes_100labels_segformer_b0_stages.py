# DSTC: GTA5 and 100 labelled Cityscapes images, two SegFormer-B0. A recipe for tools/run_stages.py; the source warm-up is the same for
# every number of labels, so another recipe's finished 1_source may be linked or copied into the work folder.
_base_ = ['../_base_/stages/dstc.py']
stages = [
    dict(name='source', type='train', config='../source_only/gta_segformer_b0.py'),
    dict(name='target', type='train', config='gta_to_cityscapes_100labels_target_only_segformer_b0.py'),
    dict(
        name='dstc', type='train', config='gta_to_cityscapes_100labels_segformer_b0.py', options={{_base_.co_training}}
    ),
]

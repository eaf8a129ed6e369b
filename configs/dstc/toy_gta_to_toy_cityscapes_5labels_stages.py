# DSTC: the toy world's rendered game and 5 labelled images of its European city. A recipe for tools/run_stages.py;
# all stages together have the 500 iterations of the baselines.
_base_ = ['../_base_/stages/dstc_toy.py']
stages = [
    {{_base_.source}},
    dict(
        name='target',
        type='train',
        config='toy_gta_to_toy_cityscapes_5labels_target_only.py',
        options={{_base_.warm_up}},
    ),
    dict(name='dstc', type='train', config='toy_gta_to_toy_cityscapes_5labels.py', options={{_base_.co_training}}),
]

# ESL, last stage: AdvEnt and cross entropy on pseudo-labels, from ImageNet weights again. GTA5 to Cityscapes.
# The recipes beside this file set the folder of the pseudo-labels.
_base_ = ['../advent/gta_to_cityscapes_deeplabv2_r101.py']
uda = dict(target_ce=1.0)
data = dict(
    train=dict(
        target=dict(
            _delete_=True,
            type='PseudoLabelDataset',
            dataset={{_base_.data.train.target}},
            folder='work_dirs/esl/2_labels',
        )
    )
)

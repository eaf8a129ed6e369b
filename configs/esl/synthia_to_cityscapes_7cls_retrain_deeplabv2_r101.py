# ESL, last stage: AdvEnt and cross entropy on pseudo-labels, from ImageNet weights again. SYNTHIA to Cityscapes (7 super classes).
# The recipes beside this file set the folder of the pseudo-labels.
_base_ = ['../advent/synthia_to_cityscapes_7cls_deeplabv2_r101.py']
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

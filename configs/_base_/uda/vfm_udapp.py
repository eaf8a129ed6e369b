# VFM-UDA++: stronger augmentation of the source, and distillation of a frozen DINOv2 ViT-L with registers, for every size of the student.
_base_ = ['vfm_uda.py']
uda = dict(
    source_augmentation=dict(
        _delete_=True,
        type='TorchvisionJitter',
        brightness=0.8,
        contrast=0.8,
        saturation=0.8,
        hue=0.4,
        probability=0.8,
        gray_probability=0.1,
        blur_probability=0.5,
        sigma=(0.15, 3.0),
    ),
    distillation=dict(
        weight=0.1,
        size=(406, 406),
        reference=dict(
            type='TimmEncoder',
            model_name='vit_large_patch14_reg4_dinov2',
            pretrained='pretrained/dinov2_vitl14_reg4_pretrain.pth',
            out_indices=(23,),
            final_norm='last',
        ),
    ),
)

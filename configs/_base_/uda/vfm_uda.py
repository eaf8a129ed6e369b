# VFM-UDA: MIC without HRDA and without feature distance, flip-averaged pseudo-labels, torchvision's augmentations.
_weak = dict(type='TorchvisionJitter', brightness=32 / 255, contrast=0.5, saturation=0.5, hue=0.05, probability=0.9)
_strong = dict(
    type='TorchvisionJitter',
    brightness=0.2,
    contrast=0.2,
    saturation=0.2,
    hue=0.2,
    probability=0.8,
    blur_probability=0.5,
    sigma=(0.15, 1.15),
)
uda = dict(
    type='SelfTraining',
    teacher=dict(alpha=0.999),
    pseudo_labeler=dict(type='ConfidenceShare', threshold=0.968, flip_average=True),
    source_augmentation=_weak,
    target_augmentation=_weak,
    mixer=dict(type='ClassMixer', class_scope='batch'),
    augmentation=_strong,
    # the released code hides tokens behind DINOv2's mask token; its successor hides blocks, as here
    masking=dict(
        mode='separatetrgaug',
        masker=dict(type='BlockMasker', ratio=0.7, block_size=64),
        augmentation=_strong,
    ),
)

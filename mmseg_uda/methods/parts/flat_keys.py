"""The flat keys of the published ``uda`` blocks, translated to component configs in this one place."""

from __future__ import annotations

from typing import Any, Mapping

#: flat key -> published default (DAFormer, HRDA and MIC)
FLAT_KEYS: dict[str, Any] = {
    'source_only': False,
    'alpha': 0.99,
    'pseudo_threshold': 0.968,
    'pseudo_weight_ignore_top': 0,
    'pseudo_weight_ignore_bottom': 0,
    'imnet_feature_dist_lambda': 0,
    'imnet_feature_dist_classes': None,
    'imnet_feature_dist_scale_min_ratio': None,
    'mix': 'class',
    'blur': True,
    'color_jitter_strength': 0.2,
    'color_jitter_probability': 0.2,
    'color_jitter_skip_prob': None,
    'class_scope': 'batch',
    'weight_scope': 'batch',
    'mask_mode': None,
    'mask_alpha': 'same',
    'mask_pseudo_threshold': 'same',
    'mask_lambda': 0,
    'mask_generator': None,
    'mask_running_statistics': True,
    # read by the engine: pictures of what the method sees (engine/views_hook.py)
    'debug_img_interval': 1000,
    # accepted and without effect: the norm of the gradients is logged anyway where it is clipped, and the source always
    # has one backward pass
    'print_grad_magnitude': False,
    'share_src_backward': True,
}


def components_from_flat_keys(flat: Mapping[str, Any]) -> dict[str, Any]:
    """Arguments of ``SelfTraining`` from flat keys.

    Args:
        flat: any of :data:`FLAT_KEYS`; missing ones take the published defaults.

    Raises:
        ValueError: a value that the published code does not know, or a negative weight.
    """
    keys = {**FLAT_KEYS, **flat}
    if keys['mix'] != 'class':
        raise ValueError(
            f"mix='{keys['mix']}': the published code knows 'class' only; other mixers go into mixer=dict(type=...)"
        )
    skip = (
        keys['color_jitter_skip_prob']
        if keys['color_jitter_skip_prob'] is not None
        else keys['color_jitter_probability']
    )
    jitter = dict(
        type='ColorJitterBlur', color_jitter_strength=keys['color_jitter_strength'], color_jitter_skip_prob=skip
    )
    return dict(
        source_only=keys['source_only'],
        teacher=dict(alpha=keys['alpha']),
        pseudo_labeler=dict(
            type='ConfidenceShare',
            threshold=keys['pseudo_threshold'],
            weight_scope=keys['weight_scope'],
            ignore_top=keys['pseudo_weight_ignore_top'],
            ignore_bottom=keys['pseudo_weight_ignore_bottom'],
        ),
        mixer=dict(type='ClassMixer', class_scope=keys['class_scope']),
        augmentation=dict(jitter, blur=keys['blur']),
        feature_distance=_feature_distance(keys),
        masking=_masking(keys, jitter),
    )


def _feature_distance(keys: Mapping[str, Any]) -> Any:
    weight = keys['imnet_feature_dist_lambda']
    if weight < 0:
        raise ValueError(f'imnet_feature_dist_lambda must not be negative, got {weight}')
    if weight == 0:
        return None
    ratio = keys['imnet_feature_dist_scale_min_ratio']
    return dict(
        type='ThingClassDistance',
        weight=weight,
        classes=keys['imnet_feature_dist_classes'],
        min_ratio=0.75 if ratio is None else ratio,
    )


def _masking(keys: Mapping[str, Any], jitter: Mapping[str, Any]) -> Any:
    if keys['mask_mode'] is None:
        return None
    generator = dict(keys['mask_generator'] or {})
    kind = generator.pop('type', 'block')
    if kind not in ('block', 'BlockMasker'):
        raise ValueError(f"mask_generator.type='{kind}': the published code knows 'block' only")
    masker = dict(type='BlockMasker')
    for published, ours in (
        ('mask_ratio', 'ratio'),
        ('mask_block_size', 'block_size'),
        ('ratio', 'ratio'),
        ('block_size', 'block_size'),
    ):
        if published in generator:
            masker[ours] = generator.pop(published)
    generator.pop('_delete_', None)
    if generator:
        raise KeyError(
            f"unknown option of mask_generator: '{next(iter(generator))}' (valid: type, mask_ratio, mask_block_size)"
        )
    return dict(
        mode=keys['mask_mode'],
        weight=keys['mask_lambda'],
        alpha=keys['mask_alpha'],
        threshold=keys['mask_pseudo_threshold'],
        masker=masker,
        running_statistics=keys['mask_running_statistics'],
        augmentation=dict(jitter, blur=True, shared_order=True, stream='masked'),
    )

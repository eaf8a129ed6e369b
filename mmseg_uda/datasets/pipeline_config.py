"""From the pipeline that a config says to the one that runs: :func:`resolve_pipeline`.

Clear errors, deferred normalisation, unlabelled targets, margins. ``tools/print_config.py --resolved`` prints it.
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Optional, Sequence

from ..utils.config import check_options, option_names
from .step_properties import property_of

_READERS = {'LoadImageFromFile': 'LoadImage', 'LoadAnnotations': 'LoadLabels'}
_TRAINING = {
    **_READERS,
    'RandomCrop': 'ClassLimitedCrop',
    'DefaultFormatBundle': 'StreamFormatBundle',
}
_EXTRACTION_META_KEYS = ('filename', 'ori_filename', 'ori_shape', 'img_shape', 'pad_shape', 'img_norm_cfg')
_DEFAULT_META_KEYS = (
    'filename',
    'ori_filename',
    'ori_shape',
    'img_shape',
    'pad_shape',
    'scale_factor',
    'flip',
    'flip_direction',
    'img_norm_cfg',
)


#: of the ADVENT lineage and its video descendants
BGR_NORM = dict(mean=[104.00698793, 116.66876762, 122.67891434], std=[1.0, 1.0, 1.0], to_rgb=False)
IMAGENET_NORM = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)


def training_crops(
    img_scale: Sequence[int],
    crop_size: Sequence[int],
    ratio_range: Optional[Sequence[float]] = None,
    exact: Optional[str] = None,
    cat_max_ratio: float = 0.75,
    flip_prob: float = 0.5,
    distortion: bool = False,
    strong: Optional[Mapping[str, Any]] = None,
    img_norm_cfg: Mapping[str, Any] = IMAGENET_NORM,
    black_padding: bool = False,
) -> list[dict[str, Any]]:
    """The steps of ``dict(type='TrainingCrops', ...)``: the published training pipeline of the field.

    Load, resize, random crop, flip, normalise, pad, format, collect. In an unlabelled stream the label steps and the
    class limit fall away.

    Args:
        img_scale: (long, short) side after the resize, aspect ratio kept.
        crop_size: (height, width).
        ratio_range: further random factor on ``img_scale``.
        exact: Pillow interpolation for a resize to exactly ``img_scale`` = (width, height), aspect ratio ignored;
            ``ratio_range`` is a second resize from there.
        cat_max_ratio: largest share of one class in a crop; 1 for no limit.
        flip_prob: probability of the horizontal flip.
        distortion: MMSegmentation's ``PhotoMetricDistortion`` after the flip.
        strong: options of :class:`~mmseg_uda.datasets.rand_augment.StrongAugment` after the flip, or None.
        img_norm_cfg: options of ``Normalize``.
        black_padding: pad before normalising, with black (VFM-UDA), instead of behind it, with the mean colour.
    """
    scale, crop = tuple(img_scale), tuple(crop_size)
    resize: list[dict[str, Any]] = [dict(type='Resize', img_scale=scale, ratio_range=ratio_range)]
    if exact is not None:
        resize = [dict(type='ExactResize', size=scale, interpolation=exact)]
        if ratio_range is not None:
            resize.append(dict(type='RandomExactResize', size=scale, ratio_range=ratio_range, interpolation=exact))
    last = [dict(type='Normalize', **img_norm_cfg), dict(type='Pad', size=crop, pad_val=0, seg_pad_val=255)]
    return [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        *resize,
        dict(type='RandomCrop', crop_size=crop, cat_max_ratio=cat_max_ratio),
        dict(type='RandomFlip', prob=flip_prob),
        *([dict(type='PhotoMetricDistortion')] if distortion else []),
        *([dict(type='StrongAugment', **strong)] if strong is not None else []),
        *(reversed(last) if black_padding else last),
        dict(type='DefaultFormatBundle'),
        dict(type='Collect', keys=['img', 'gt_semantic_seg']),
    ]


def training_clips(
    size: Sequence[int],
    crop_size: Optional[Sequence[int]] = None,
    cut_bottom: float = 0.0,
    own_car: Optional[int] = None,
    far: bool = False,
    labels: bool = False,
    flow: Optional[Mapping[str, Any]] = None,
    occlusion: Optional[str] = None,
    flip_prob: float = 0.0,
    distortion: bool = False,
    img_norm_cfg: Mapping[str, Any] = BGR_NORM,
) -> list[dict[str, Any]]:
    """The steps of ``dict(type='TrainingClips', ...)``: the published training pipeline of video adaptation, and what
    image methods add.

    Args:
        size: (width, height) of the resize, Pillow bicubic.
        crop_size: (height, width) of a random window of the clip, or None for whole frames.
        cut_bottom: share of the height that is cut off below (SYNTHIA-Seq: 120 / 760).
        own_car: class id of cars where the own car is to be ignored (VIPER), or None.
        far: also the frame two steps back.
        labels: also the label of the key frame (video QuadMix pastes by it).
        flow, occlusion: see :class:`~mmseg_uda.datasets.clips.LoadClip`.
        flip_prob: probability of mirroring the clip.
        distortion: ``PhotoMetricDistortion`` with the same draws for all frames of a clip.
        img_norm_cfg: options of ``Normalize``; by default BGR minus the ImageNet means, undivided.
    """
    frames = ['key_frame', 'far_frame'] if far else ['key_frame']
    flows = ['flow', 'flow_far', 'flow_key_far'] if far else ['flow']
    extra = ['occlusion'] * (occlusion is not None) + ['key_label'] * labels
    return [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='LoadClip', far=far, labels=labels, flow=flow, occlusion=occlusion),
        dict(type='ClipResize', size=tuple(size)),
        *([dict(type='CutBottom', share=cut_bottom)] if cut_bottom else []),
        *([dict(type='IgnoreOwnCar', car=own_car)] if own_car is not None else []),
        *([dict(type='ClipCrop', crop_size=tuple(crop_size))] if crop_size is not None else []),
        dict(type='ClipFlip', prob=flip_prob),
        *([dict(type='OnEveryFrame', transform=dict(type='PhotoMetricDistortion'))] if distortion else []),
        dict(type='Normalize', **img_norm_cfg),
        dict(type='DefaultFormatBundle'),
        dict(type='Collect', keys=['img', 'gt_semantic_seg', *frames, *flows, *extra]),
    ]


#: pipelines in one step
_SHORTHANDS: dict[str, Callable[..., list[dict[str, Any]]]] = {
    'TrainingCrops': training_crops,
    'TrainingClips': training_clips,
}


def _renamed(step: Any, names: Mapping[str, str]) -> Any:
    if isinstance(step, Mapping) and step.get('type') in names:
        return {**step, 'type': names[step['type']]}
    return step


def flattened(pipeline: Sequence[Any]) -> list[Any]:
    """Copies of the steps, with those of ``Compose``, ``TrainingCrops`` and ``TrainingClips`` in line."""
    steps: list[Any] = []
    for step in pipeline:
        kind = step.get('type') if isinstance(step, Mapping) else None
        if kind == 'Compose':
            steps += flattened(step['transforms'])
        elif kind in _SHORTHANDS:
            options = {key: value for key, value in step.items() if key != 'type'}
            check_options(options, option_names(_SHORTHANDS[kind]) or (), kind)
            steps += flattened(_SHORTHANDS[kind](**options))
        else:
            steps.append(dict(step) if isinstance(step, Mapping) else step)
    return steps


def resolve_pipeline(
    pipeline: Sequence[Any],
    training: bool = False,
    labelled: bool = True,
    margins: Optional[Sequence[int]] = None,
) -> list[Any]:
    """The steps that run for the pipeline of a config. Resolving them again changes nothing.

    Args:
        pipeline: steps as config dicts (built objects are kept as they are).
        training: of a stream of a training set, where normalisation may be left to the device; else of a test.
        labelled: False for an unlabelled target: no step reads, and nothing collects, a label.
        margins: ``crop_pseudo_margins`` of the data set.
    """
    steps = training_pipeline(pipeline, labelled) if training else with_safe_readers(pipeline)
    return with_margins(steps, margins)


def with_safe_readers(pipeline: Sequence[Any]) -> list[Any]:
    """``pipeline``, of training or of a test, with the readers whose errors name the file and which translate raw label
    ids.
    """
    return [_renamed(step, _READERS) for step in flattened(pipeline)]


#: MMSegmentation's ``--aug-test``
TEST_RATIOS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)


def with_test_augmentation(
    pipeline: Sequence[Any], ratios: Sequence[float] = TEST_RATIOS, flip: bool = True
) -> list[Any]:
    """A test pipeline that shows every image at several sizes, and mirrored.

    Args:
        ratios: of the sides to those that the pipeline gives.
        flip: also mirrored left to right.

    Raises:
        ValueError: the pipeline has no ``MultiScaleFlipAug``.
    """
    steps = flattened(pipeline)
    found = [step for step in steps if isinstance(step, dict) and step.get('type') == 'MultiScaleFlipAug']
    if not found:
        raise ValueError(
            'the test pipeline has no MultiScaleFlipAug, which shows an image at several sizes: put the steps behind '
            "the reader into dict(type='MultiScaleFlipAug', img_scale=..., flip=False, transforms=[...])"
        )
    for step in found:
        step.update(img_ratios=[float(ratio) for ratio in ratios], flip=flip)
        if flip:
            of_clips = any(isinstance(other, Mapping) and other.get('type') == 'LoadClip' for other in steps)
            step['transforms'] = _with_flip(step['transforms'], 'ClipFlip' if of_clips else 'RandomFlip')
    return steps


def _with_flip(transforms: Sequence[Any], kind: str) -> list[Any]:
    """The step that mirrors where ``MultiScaleFlipAug`` says so: without it, its mirrored views are plain ones."""
    kinds = [str(step.get('type')) if isinstance(step, Mapping) else '' for step in transforms]
    if 'RandomFlip' in kinds or 'ClipFlip' in kinds:
        return list(transforms)
    place = next((i + 1 for i, name in enumerate(kinds) if 'Resize' in name), 0)
    return [*transforms[:place], dict(type=kind), *transforms[place:]]


def with_margins(pipeline: Sequence[Any], margins: Optional[Sequence[int]]) -> list[Any]:
    """Insert :class:`~mmseg_uda.datasets.pipelines.PseudoLabelMargins` after the loading steps and make ``Collect``
    keep its mask.

    Without ``margins`` a listed ``valid_pseudo_mask`` is dropped from ``Collect``.
    """
    steps = flattened(pipeline)
    kinds = [step.get('type') if isinstance(step, Mapping) else None for step in steps]
    if margins is not None and 'PseudoLabelMargins' not in kinds:
        loads = [i for i, step in enumerate(steps) if property_of(step, 'reads')]
        steps.insert(loads[-1] + 1 if loads else 0, dict(type='PseudoLabelMargins', margins=tuple(margins)))
    has_mask = margins is not None or 'PseudoLabelMargins' in kinds
    for step in steps:
        if isinstance(step, dict) and step.get('type') == 'Collect':
            keys = [key for key in step['keys'] if key != 'valid_pseudo_mask']
            step['keys'] = keys + ['valid_pseudo_mask'] * has_mask
    return steps


def training_pipeline(pipeline: Sequence[Any], labelled: bool = True) -> list[Any]:
    """A published training pipeline as this package runs it.

    Args:
        pipeline: steps as config dicts (built objects are kept as they are).
        labelled: False for an unlabelled target: no step reads, and nothing collects, a label.

    Returns:
        New list. ``Normalize`` is deferred to the device when only padding and formatting follow it.
    """
    steps = [_renamed(step, _TRAINING) for step in flattened(pipeline)]
    if not labelled:
        steps = [step for step in steps if not (isinstance(step, Mapping) and property_of(step, 'reads') == 'label')]
    for i, step in enumerate(steps):
        if not isinstance(step, dict):
            continue
        values_are_read = any(property_of(later, 'reads_values') for later in steps[i + 1 :])
        if step.get('type') == 'Normalize' and not values_are_read:
            step['type'] = 'DeferredNormalize'
        if step.get('type') == 'Collect':
            if not labelled:
                step['keys'] = [key for key in step['keys'] if key != 'gt_semantic_seg']
            keys = tuple(step.get('meta_keys', _DEFAULT_META_KEYS))
            step['meta_keys'] = keys + tuple(
                key for key in ('img_norm_cfg', 'img_shape', 'pad_shape', 'filename') if key not in keys
            )
    return steps


def deterministic_prefix(pipeline: Sequence[Any]) -> int:
    """Number of leading built transforms that draw no random number: their result can be kept while a crop is drawn
    again.
    """
    return next((i for i, step in enumerate(pipeline) if property_of(step, 'random')), len(pipeline))


def with_pseudo_labels(pipeline: Sequence[Any], loader: str = 'LoadAnnotations') -> list[Any]:
    """``pipeline`` with a step that loads the stored label map, or the soft label, in place of the ground truth.

    Label maps have the size at which the network predicted them, so that they are loaded after the first resize to a
    fixed size; before a random one they are loaded together with the image.
    """
    steps: list[Any] = [
        step
        for step in flattened(pipeline)
        if not (isinstance(step, Mapping) and property_of(step, 'reads') == 'label')
    ]
    position = next((i + 1 for i, step in enumerate(steps) if property_of(step, 'reads') == 'image'), 0)
    if position < len(steps) and property_of(steps[position], 'fixes_size'):
        position += 1
    steps.insert(position, dict(type=loader))
    for step in steps:
        if isinstance(step, dict) and step.get('type') == 'Collect' and 'gt_semantic_seg' not in step['keys']:
            step['keys'] = [*step['keys'], 'gt_semantic_seg']
    return steps


def extraction_pipeline(pipeline: Sequence[Any]) -> list[Any]:
    """The steps of a training pipeline that are not random, for predicting whole images.

    ``Resize`` keeps its ``img_scale`` and loses its ``ratio_range``; labels, crops, flips, colour changes and what
    is for training only are left out.
    """
    steps = []
    for step in flattened(pipeline):
        if not isinstance(step, Mapping):
            continue
        step = {key: value for key, value in step.items() if key not in ('ratio_range', 'multiscale_mode')}
        if step['type'] == 'Collect':
            step['meta_keys'] = _EXTRACTION_META_KEYS
        if not (
            property_of(step, 'random') or property_of(step, 'training_only') or property_of(step, 'reads') == 'label'
        ):
            steps.append(step)
    return training_pipeline(steps, labelled=False)

"""Facts of the data that must agree with the method before the first iteration: one sample of the training data and one
image of every validation set are read."""

from __future__ import annotations

import logging
from typing import Any, Mapping

import numpy as np
from mmcv.parallel import DataContainer
from torch import nn

from ..datasets.index_stream import fixed_randomness
from ..datasets.labels import LabelsNotReadyError
from ..datasets.wrappers import plain_sets
from ..methods.base import UDASegmentor
from ..ops.hrda import averages_probabilities, sliding_boxes
from ..ops.labels import IGNORE
from ..streams import SOURCE, TARGET, target_names
from ..utils.config import nearest
from .evaluation import UDAEvalHook, merged_metrics, score_results
from .evaluation_sets import score_image

#: metrics that MMSegmentation computes from the counts of single images
METRICS = ('mIoU', 'mDice', 'mFscore')


# ---- options of data sets --------------------------------------------------------------------------------------------
def check_sets(training: Any, evaluation: Mapping[str, Any]) -> None:
    """Refuse options of data sets that nothing heeds, or that would train and show wrong classes.

    Args:
        training: a :class:`~mmseg_uda.datasets.uda_dataset.UDADataset`.
        evaluation: the plain validation sets by name.

    Raises:
        ValueError: names the data set, the option and the remedy.
    """
    sets = [(training.keys[name], part) for name, stream in training.streams.items() for part in stream.parts]
    for key, dataset in [*sets, *((f'data.val ({name})', dataset) for name, dataset in evaluation.items())]:
        for plain in plain_sets(dataset):
            _check_images(key, plain)
            _check_names(key, plain)
            _check_ignore_index(key, plain)
            _check_palette(key, plain)
    for key, dataset in sets:
        _check_padding(key, dataset)


def _check_images(key: str, dataset: Any) -> None:
    if len(getattr(dataset, 'img_infos', [None])) == 0:
        raise ValueError(
            f"{key}: no image with the suffix '{getattr(dataset, 'img_suffix', '')}' in "
            f'{getattr(dataset, "split", None) or getattr(dataset, "img_dir", None)}: check data_root, img_dir, split '
            'and img_suffix'
        )


def _check_names(key: str, dataset: Any) -> None:
    names = list(getattr(dataset, 'CLASSES', None) or [])
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        raise ValueError(f"{key}: two classes are called '{twice[0]}', of which a table would show one: rename one")


def _check_ignore_index(key: str, dataset: Any) -> None:
    if getattr(dataset, 'ignore_index', IGNORE) != IGNORE:
        raise ValueError(
            f'{key}: ignore_index={dataset.ignore_index}, but labels mark pixels without a class with {IGNORE}: leave '
            'ignore_index out. A class is ignored with id_map or reduce_zero_label of the data set'
        )


def _check_palette(key: str, dataset: Any) -> None:
    palette, classes = getattr(dataset, 'PALETTE', None), getattr(dataset, 'CLASSES', None)
    if palette is not None and classes is not None and len(palette) < len(classes):
        raise ValueError(
            f'{key}: palette has {len(palette)} colours for {len(classes)} classes: classes without a colour would be '
            'drawn black, as what is ignored. Give a colour for each, or leave palette out'
        )


def _check_padding(key: str, dataset: Any) -> None:
    """Steps of MMSegmentation and of users whose label of padding is a class; ours copy released code where they do."""
    for step in getattr(getattr(dataset, 'pipeline', None), 'transforms', None) or []:
        value = getattr(step, 'seg_pad_val', IGNORE)
        if value not in (IGNORE, None) and type(step).__module__.split('.')[0] != 'mmseg_uda':
            raise ValueError(
                f'{key}: {type(step).__name__} has seg_pad_val={value}, so that padding would be trained as a class: '
                f'set seg_pad_val={IGNORE}'
            )


# ---- training samples ------------------------------------------------------------------------------------------------
def check_ignored_rows(method: UDASegmentor, dataset: Any) -> None:
    """Refuse rows without weight that are most of a target crop (DAFormer's margins for crops of 512).

    Raises:
        ValueError: names the options, the height of the crop and the remedy.
    """
    labeler: Any = getattr(method, 'pseudo_labeler', None)
    rows = getattr(labeler, 'ignore_top', 0) + getattr(labeler, 'ignore_bottom', 0)
    if not rows or TARGET not in getattr(dataset, 'streams', {}):
        return
    image = dataset.streams[TARGET].sample(0)['img']
    height = (image.data if isinstance(image, DataContainer) else image).shape[-2]
    if 2 * rows > height:
        raise ValueError(
            f'uda.pseudo_weight_ignore_top={labeler.ignore_top} and '
            f'pseudo_weight_ignore_bottom={labeler.ignore_bottom} leave {max(height - rows, 0) / height:.0%} of the '
            f'rows of target crops of {height} rows: pseudo-labels count nowhere else. They hide the rectified border '
            'and the own car of Cityscapes: set both to 0, or to '
            'rows of your crops'
        )


def report_margins(method: UDASegmentor, dataset: Any, logger: logging.Logger) -> None:
    """Say it when a method does not heed the margins of its target streams."""
    for name in target_names(list(dataset.streams)):
        if dataset.streams[name].has_margins and not method.heeds_margins:
            logger.warning(
                '%s: %s does not heed crop_pseudo_margins; its labels count in the margins as well',
                dataset.keys[name],
                method.title,
            )


def check_bands(method: UDASegmentor, dataset: Any) -> None:
    """Read one sample and compare the number of its bands with what the backbone's first convolution takes.

    Raises:
        ValueError: names both numbers and the options.
    """
    backbone = getattr(method.student, 'backbone', None)
    first = next((module for module in backbone.modules() if isinstance(module, nn.Conv2d)), None) if backbone else None
    if first is None or first.groups != 1:
        return
    try:
        sample = dataset[0]
    except LabelsNotReadyError:
        return  # of bought labels, which the hook finds when the run begins
    for name, key in dataset.keys.items():
        image = sample.get('img' if name == SOURCE else f'{name}_img')
        bands = image.data.shape[-3] if isinstance(image, DataContainer) else first.in_channels
        if bands != first.in_channels:
            raise ValueError(
                f'the images of {key} have {bands} bands (channels), model.backbone reads {first.in_channels}: set '
                f'in_channels={bands} of the backbone (in_chans of a timm model), or color_type of LoadImageFromFile'
            )


# ---- one validation image --------------------------------------------------------------------------------------------
def check_evaluation(hook: UDAEvalHook, method: UDASegmentor, max_iters: int, logger: logging.Logger) -> None:
    """Read and score one image of every validation set, with a prediction of zeros, so that no evaluation fails later.

    Raises:
        ValueError: labels that do not fit, a metric that does not exist, a ``test_cfg`` that cannot predict.
    """
    metric = hook.eval_kwargs.get('metric', 'mIoU')
    for name in [metric] if isinstance(metric, str) else metric:
        if name not in METRICS:
            raise ValueError(f"evaluation.metric='{name}' cannot be computed during training: {nearest(name, METRICS)}")
    _check_test_cfg(method)
    scores = {name: _score_of_zeros(dataset, name, hook.eval_kwargs) for name, dataset in hook.datasets.items()}
    metrics = merged_metrics(scores)
    offered = [
        *metrics,
        *(f'{key}.{network}' for network in hook.test_with for key in metrics if key.startswith('mIoU')),
    ]
    wanted = hook.save_best
    if wanted not in (None, 'auto') and wanted not in offered:
        raise ValueError(f"evaluation.save_best='{wanted}' is no metric of this evaluation: {nearest(wanted, offered)}")
    if hook.interval > max_iters:
        logger.warning(
            'evaluation.interval=%d: the run has %d iterations and is never evaluated%s',
            hook.interval,
            max_iters,
            '; save_best saves nothing' if wanted else '',
        )


def _score_of_zeros(dataset: Any, name: str, options: Mapping[str, Any]) -> dict[str, float]:
    if 'ann' not in dataset.img_infos[0]:
        raise ValueError(f'data.val ({name}) has no labels (ann_dir), so that nothing can be scored')
    with fixed_randomness('check'):
        metas = dataset[0]['img_metas']
    meta = metas[0] if isinstance(metas, list) else metas
    height, width = (meta.data if isinstance(meta, DataContainer) else meta)['ori_shape'][:2]
    counts = score_image(dataset, np.zeros((height, width), np.int64), 0)
    return score_results(dataset, [counts], 'silent', **options)


def _check_test_cfg(method: UDASegmentor) -> None:
    options = getattr(method.inference_model, 'test_cfg', None)
    if options is None:
        return
    mode = options.get('mode')
    if mode not in ('whole', 'slide'):
        raise ValueError(f"model.test_cfg.mode must be 'whole' or 'slide', got {mode!r}")
    missing = [key for key in ('crop_size', 'stride') if mode == 'slide' and options.get(key) is None]
    if missing:
        raise ValueError(f"model.test_cfg: mode='slide' needs {missing[0]}=(height, width)")
    if mode == 'slide':
        sliding_boxes(options['crop_size'], options['crop_size'], options['stride'])
    averages_probabilities(options, method.inference_model.out_channels)

"""Facts of config, network and data that must agree, compared before the first iteration.

Each of these disagreements would end a run with status 0 and a wrong result, or end it hours later. The errors are
``ValueError`` s, which :func:`~mmseg_uda.utils.config_errors.naming_config` turns into ``ConfigError`` s.
"""

from __future__ import annotations

import logging
from typing import Any, Iterator, Mapping, Optional, Sequence

import numpy as np
from mmcv.parallel import DataContainer
from mmseg.models.decode_heads import STDCHead
from mmseg.models.losses import CrossEntropyLoss
from mmseg.models.segmentors import EncoderDecoder
from torch import nn

from ..datasets.class_names import class_names, same_classes
from ..datasets.index_stream import fixed_randomness
from ..datasets.labels import LabelsNotReadyError
from ..methods.base import UDASegmentor
from ..models.heads import has_one_channel, heads_of
from ..models.losses.segmentation import loss_parts
from ..models.own_training import KNOWN, own_training_steps
from ..ops.hrda import averages_probabilities
from ..ops.labels import IGNORE
from ..streams import SOURCE, TARGET
from ..utils.config import nearest
from .evaluation import UDAEvalHook, merged_metrics, score_results
from .evaluation_sets import plain_configs, score_image

#: metrics that MMSegmentation computes from the counts of single images
METRICS = ('mIoU', 'mDice', 'mFscore')


# ---- the config alone ----------------------------------------------------------------------------------------------
def check_counting(cfg: Mapping[str, Any]) -> None:
    """Refuse options that count epochs, where runs count iterations, and runs that would save nothing.

    Raises:
        ValueError: names the option and the remedy.
    """
    runner = cfg.get('runner') or {}
    if 'max_epochs' in runner or runner.get('type') == 'EpochBasedRunner':
        raise ValueError(
            "runner: runs count iterations, not epochs: give runner=dict(type='IterBasedRunner', max_iters=...)"
        )
    for key, options in _hook_options(cfg):
        for option in ('by_epoch', 'warmup_by_epoch'):
            if options.get(option):
                raise ValueError(
                    f'{key}.{option}=True: runs count iterations, not epochs, so that this would never happen or '
                    f'happen at wrong times: set {option}=False and give all intervals and steps in iterations'
                )
    saving = cfg.get('checkpoint_config') or {}
    interval = saving.get('interval', 4000)
    if saving.get('save_last') is False and not 0 < interval <= runner.get('max_iters', interval):
        raise ValueError(
            f'checkpoint_config: save_last=False with interval={interval} saves no checkpoint in '
            f'{runner.get("max_iters")} iterations'
        )
    flows = [tuple(flow)[0] for flow in cfg.get('workflow') or [('train', 1)]]
    if flows != ['train']:
        raise ValueError(
            f"workflow={cfg.get('workflow')}: only [('train', 1)] is supported; validation runs in the evaluation hook"
        )


def _hook_options(cfg: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for key in ('checkpoint_config', 'evaluation', 'lr_config', 'momentum_config'):
        options = cfg.get(key) or {}
        yield key, options
        yield from ((f'{key}.{name}', value) for name, value in options.items() if isinstance(value, Mapping))
    for i, options in enumerate(cfg.get('custom_hooks') or []):
        if isinstance(options, Mapping):
            yield f'custom_hooks[{i}] ({options.get("type")})', options


# ---- the network and the classes of the data -----------------------------------------------------------------------
def check_heads(method: UDASegmentor, classes: Optional[Sequence[str]]) -> None:
    """Compare every head of every trained network with the classes of the data and with label 255.

    Raises:
        ValueError: names the option of the head or of its loss.
    """
    for name, network in method.named_children():
        if isinstance(network, EncoderDecoder):
            key = 'model' if network is method.student else name
            for option, head in _heads(network, key):
                if classes is not None:
                    _check_number(option, head, len(classes))
                _check_ignored(option, head)
                _check_channels(option, head, network)
                _check_class_weights(option, head)


def _heads(network: nn.Module, key: str) -> Iterator[tuple[str, Any]]:
    """Heads and the heads inside them, by the path of their config."""
    for name, head in heads_of(network).items():
        kind, _, number = name.partition('_')
        option = f'{key}.{"decode_head" if kind == "decode" else "auxiliary_head"}' + (f'[{number}]' if number else '')
        yield option, head
        for inner in ('head', 'kernel_generate_head'):
            if isinstance(getattr(head, inner, None), nn.Module):
                yield option if inner == 'head' else f'{option}.{inner}', getattr(head, inner)
        for i, update in enumerate(getattr(head, 'kernel_update_head', [])):
            yield f'{option}.kernel_update_head[{i}]', update


def _check_number(option: str, head: Any, number: int) -> None:
    makes_own_labels = isinstance(head, STDCHead) or _is_of_user(head, 'losses')  # edges, for example
    if not makes_own_labels and getattr(head, 'num_classes', number) != number:
        raise ValueError(f'{option}.num_classes={head.num_classes}, but the data set has {number} classes')


def _is_of_user(head: Any, name: str) -> bool:
    function = getattr(type(head), name, None)
    return function is not None and function.__module__.split('.')[0] not in KNOWN


def _check_ignored(option: str, head: Any) -> None:
    where = [(option, head)]
    if getattr(head, 'loss_decode', None) is not None:
        where += [(f'{option}.loss_decode ({type(part).__name__})', part) for part in loss_parts(head)]
    for key, module in where:
        if getattr(module, 'ignore_index', IGNORE) != IGNORE:
            raise ValueError(
                f'{key}: ignore_index={module.ignore_index}, but labels mark pixels without a class (and padding) with '
                f'{IGNORE}, which would be taken for a class: leave ignore_index out. A class is ignored with id_map '
                'or reduce_zero_label of the data set'
            )


def _check_channels(option: str, head: Any, network: nn.Module) -> None:
    if not has_one_channel(head):
        return
    classifier = getattr(head, 'conv_seg', None)
    if isinstance(network.decode_head, nn.ModuleList) and option.split('.')[1].startswith('decode_head'):
        raise ValueError(
            f'{option}.out_channels=1: {type(network).__name__} cannot predict with one channel; leave out_channels out'
        )
    if classifier is not None and getattr(classifier, 'out_channels', 1) != 1:
        raise ValueError(f'{option}.out_channels=1: {type(head).__name__} does not heed it; leave out_channels out')


def _check_class_weights(option: str, head: Any) -> None:
    if getattr(head, 'loss_decode', None) is None:
        return
    channels = getattr(head, 'out_channels', None) or getattr(head, 'num_classes', None)
    for part in loss_parts(head):
        weights = getattr(part, 'class_weight', None)
        if weights is None or channels is None:
            continue
        key = f'{option}.loss_decode ({type(part).__name__}).class_weight'
        if isinstance(part, CrossEntropyLoss) and getattr(part, 'use_sigmoid', False) and channels > 1:
            raise ValueError(
                f'{key}: MMSegmentation lays the weights of a sigmoid cross entropy along the width of the image '
                'instead of the classes; use use_sigmoid=False, or leave class_weight out'
            )
        if len(weights) not in (channels, *([1, 2] if channels == 1 else [])):
            raise ValueError(f'{key} has {len(weights)} values, but the head has {channels} channels')


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


# ---- the class lists of all data sets ------------------------------------------------------------------------------
def check_class_lists(classes: Optional[Sequence[str]], cfg: Any) -> None:
    """Compare the classes of training with those of ``data.val`` and ``data.test``, which are not built for it.

    Raises:
        ValueError: other names, another order or another number.
    """
    if classes is None:
        return
    for part in ('val', 'test'):
        entry = (cfg.get('data') or {}).get(part)
        if entry is None:
            continue
        for one in plain_configs(_without_wrappers(entry), f'data.{part}'):
            found = class_names(one)
            if found is not None:
                require_classes(found, classes, f'data.{part} ({one.get("type")})', 'data.train')


def _without_wrappers(entry: Any) -> Any:
    """``entry`` without what :func:`plain_configs` would refuse; building the data set says so."""
    entries = entry if isinstance(entry, (list, tuple)) else [entry]
    return [one for one in entries if dict(one).get('type') != 'MultiImageMixDataset']


def require_classes(found: Sequence[str], wanted: Sequence[str], who: str, whom: str) -> None:
    """Refuse class lists that differ.

    Raises:
        ValueError: says whether number, order or names differ.
    """
    if same_classes(found, wanted):
        return
    if len(found) != len(wanted):
        how = f'{len(found)} classes instead of {len(wanted)}'
    elif same_classes(sorted(found), sorted(wanted)):
        how = 'the same classes in another order'
    else:
        first = next(i for i, (a, b) in enumerate(zip(found, wanted)) if not same_classes([a], [b]))
        how = f"other classes (number {first} is '{found[first]}' instead of '{wanted[first]}')"
    raise ValueError(
        f'{who} has {how} than {whom}: [{_listed(found)}] and [{_listed(wanted)}]. Predictions would be scored under '
        'wrong names: give both the same classes=[...] (or label_space), in the order of the network'
    )


def _listed(names: Sequence[str]) -> str:
    return ', '.join(names[:6]) + (', ...' if len(names) > 6 else '')


# ---- one training sample -------------------------------------------------------------------------------------------
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


# ---- one validation image ------------------------------------------------------------------------------------------
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
    if dataset.ignore_index != IGNORE:
        raise ValueError(
            f'data.val ({name}): ignore_index={dataset.ignore_index}, but labels mark pixels without a class '
            f'with {IGNORE}'
        )
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
    averages_probabilities(options, method.inference_model.out_channels)


# ---- what is said once ---------------------------------------------------------------------------------------------
def report_limits(method: UDASegmentor, hooks: Sequence[Any], logger: logging.Logger) -> None:
    """Log what a run does differently from what a user may expect of the network's classes and of the hooks."""
    own = own_training_steps(method.student) if hasattr(method.student, 'decode_head') else []
    if own and type(method).__name__ != 'SourceOnly':
        logger.warning(
            '%s counts in passes on images with labels; passes on pseudo-labels weigh pixels and take the losses '
            'of the heads alone',
            own[0],
        )
    for hook in hooks:
        if getattr(hook, 'by_epoch', None) is True and type(hook).__module__.split('.')[0] != 'mmseg_uda':
            raise ValueError(
                f'{type(hook).__name__} counts epochs (by_epoch=True is its default), runs count iterations, so that '
                'it would do nothing: give it by_epoch=False'
            )
        if type(hook).__name__ == 'EMAHook':
            logger.warning(
                'EMAHook swaps its averaged weights in at the end of an epoch, which a run of iterations has not: '
                'evaluations and checkpoints show the network itself, the average stands in the checkpoints under '
                "uda.ema_*. A method with a teacher tests its average with uda.test_with='teacher'"
            )

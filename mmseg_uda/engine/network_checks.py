"""Facts of the networks of a method that must agree with the data before the first iteration."""

from __future__ import annotations

import logging
from typing import Any, Iterator, Optional, Sequence

from mmseg.models.decode_heads import STDCHead
from mmseg.models.losses import CrossEntropyLoss
from mmseg.models.segmentors import EncoderDecoder
from torch import nn

from ..methods.base import UDASegmentor
from ..models.heads import has_one_channel, heads_of
from ..models.losses.segmentation import loss_parts
from ..models.own_training import KNOWN, own_training_steps
from ..ops.labels import IGNORE


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
    if getattr(head, 'num_classes', 2) == 1:
        raise ValueError(
            f'{option}.num_classes=1: a network of one class finds it in every pixel. Give two classes, such as '
            "classes=['background', 'thing'], and num_classes=2 (out_channels=1 for a sigmoid)"
        )
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
        sigmoid = isinstance(part, CrossEntropyLoss) and getattr(part, 'use_sigmoid', False)
        if sigmoid and (channels > 1 or len(weights) > 1):
            raise ValueError(
                f'{key}: MMSegmentation lays the weights of a sigmoid cross entropy along the width of the image '
                'instead of the classes; use use_sigmoid=False, or leave class_weight out (of one channel it may be '
                'one number, the weight of class 1)'
            )
        if len(weights) not in (channels, *([1, 2] if channels == 1 else [])):
            raise ValueError(f'{key} has {len(weights)} values, but the head has {channels} channels')


def report_own_training(method: UDASegmentor, logger: logging.Logger) -> None:
    """Log where a ``forward_train`` of the network's own counts and where it does not."""
    own = own_training_steps(method.student) if hasattr(method.student, 'decode_head') else []
    if own and type(method).__name__ != 'SourceOnly':
        logger.warning(
            '%s counts in passes on images with labels; passes on pseudo-labels weigh pixels and take the losses '
            'of the heads alone',
            own[0],
        )

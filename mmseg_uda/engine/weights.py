"""Loading weights into a method: those of its own runs, of other runs and of other programs."""

from __future__ import annotations

import logging
import re
from typing import Any, Mapping, Optional

import torch
from torch import Tensor, nn

from ..models.heads import heads_of
from ..utils.checkpoint_io import CheckpointError
from ..utils.class_lists import checkpoint_difference

#: beginnings of the keys whose shapes may depend on the number of classes
_HEADS = re.compile(r'(decode_head|auxiliary_head|domain_heads|domain_auxiliary_heads)\.')


def load_student(
    model: nn.Module,
    state: Mapping[str, Any],
    source: Any,
    logger: Optional[logging.Logger] = None,
    other_classes: bool = False,
    meta: Optional[Mapping[str, Any]] = None,
) -> None:
    """Load ``state`` into ``model`` (a method or a plain segmentor), loudly.

    Args:
        other_classes: start from a network of another number of classes: layers whose shape depends on it keep their
            initial weights, and method state is left out, as MMSegmentation does; it is logged.
        meta: of the checkpoint, for its class names.

    Raises:
        CheckpointError: shapes differ otherwise, or more than half of the student's keys are missing.
    """
    own = model.state_dict()
    left_out: list[str] = []
    if other_classes:
        left_out = _of_other_classes(model, own, state)
        _compare_names(model, meta, source, bool(left_out), logger)
    kept = {key: value for key, value in state.items() if key not in left_out}
    if left_out:
        kept = {key: value for key, value in kept.items() if not key.startswith('uda.')}
    try:
        result = model.load_state_dict(kept, strict=False)
    except RuntimeError as error:
        raise CheckpointError(f"'{source}' does not fit the model: {str(error)[:600]}") from error
    student = [key for key in own if not key.startswith('uda.')]
    lost = [key for key in student if key not in kept and key not in left_out]
    if len(lost) > len(student) / 2:
        raise CheckpointError(
            f"'{source}' lacks {len(lost)} of {len(student)} keys of the model (first: {', '.join(lost[:5])}): it "
            'belongs to another model, or needs tools/convert_checkpoint.py first'
        )
    foreign = [key for key in result.unexpected_keys if not key.startswith('uda.')]
    if logger is not None and left_out:
        logger.warning(
            '%s is of a network with other classes: %d layers keep their initial weights (%s), and what the method of '
            'that run had learnt is left out',
            source,
            len(left_out),
            ', '.join(left_out[:8]),
        )
    if logger is not None and (lost or foreign):
        logger.warning(
            '%s: %d missing keys (%s), %d unexpected keys (%s)',
            source,
            len(lost),
            ', '.join(lost[:8]),
            len(foreign),
            ', '.join(foreign[:8]),
        )


def _of_other_classes(model: nn.Module, own: Mapping[str, Any], state: Mapping[str, Any]) -> list[str]:
    """Keys of heads whose shapes differ by a difference in the number of classes, and by nothing else."""
    differing = {
        key: (tuple(own[key].shape), tuple(value.shape))
        for key, value in state.items()
        if isinstance(value, Tensor) and isinstance(own.get(key), Tensor) and own[key].shape != value.shape
    }
    heads = {key: shapes for key, shapes in differing.items() if _HEADS.match(key)}
    if not heads or any(not key.startswith('uda.') and key not in heads for key in differing):
        return []
    counts = {
        theirs[0]
        for key, (mine, theirs) in heads.items()
        if len(mine) == len(theirs) and mine[0] in _class_counts(model) and mine[1:] == theirs[1:]
    }
    offsets = {theirs - mine for theirs in counts for mine in _class_counts(model)}
    fitting = [
        key
        for key, (mine, theirs) in heads.items()
        if len(mine) == len(theirs) and all(a == b or b - a in offsets for a, b in zip(mine, theirs))
    ]
    return fitting if len(fitting) == len(heads) else []


def _class_counts(model: nn.Module) -> set[int]:
    heads = heads_of(getattr(model, 'student', model)).values()
    return {
        int(count)
        for head in heads
        for count in (getattr(head, 'num_classes', None), getattr(head, 'out_channels', None))
        if count
    }


def _compare_names(
    model: nn.Module,
    meta: Optional[Mapping[str, Any]],
    source: Any,
    left_out: bool,
    logger: Optional[logging.Logger],
) -> None:
    """Warn when a classifier is taken over whose channels had other names."""
    difference = checkpoint_difference(meta, getattr(model, 'CLASSES', None))
    if logger is not None and difference is not None and not left_out:
        logger.warning(
            "the network in '%s' has %s. Its classifier starts from these weights all the same", source, difference
        )


def to_cpu(state: Mapping[str, Any]) -> dict[str, Any]:
    """A state dict on the CPU."""
    return {key: value.detach().cpu() if torch.is_tensor(value) else value for key, value in state.items()}

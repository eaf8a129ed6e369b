"""From a whole config to the model that is trained."""

from __future__ import annotations

import copy
from typing import Any, Mapping, Optional

from mmseg.models.builder import HEADS

from .datasets.class_names import class_names
from .methods.base import UDASegmentor
from .registry import UDA
from .utils.config import build_from_config, option_names


def build_train_model(cfg: Any, seed: int = 0) -> UDASegmentor:
    """Build the model that the engine trains from a whole config.

    Args:
        cfg: an ``mmcv.Config`` (or dict) with a ``model`` (any MMSeg segmentor) and, unless the run is source-only, a
            ``uda`` block. ``train_cfg`` and ``test_cfg`` may stand inside ``model`` or at the top level.
        seed: base seed of the counter-based random numbers (see :mod:`mmseg_uda.utils.rng`).

    Returns:
        The method: a :class:`~mmseg_uda.methods.base.UDASegmentor` that holds the student. Without a ``uda`` block
        this is ``SourceOnly``, so that plain supervised training goes through the same engine.

    Raises:
        KeyError, TypeError: an unknown method or a misspelt option, naming the nearest valid spelling.
        ValueError: another number of targets than the data have, a ``test_with`` that the method does not
            offer, or a head without ``num_classes`` although the data do not tell their classes.
    """
    uda_cfg = dict(cfg.get('uda') or dict(type='SourceOnly'))
    uda_cfg['model'] = complete_model(cfg)
    uda_cfg.setdefault('train_cfg', cfg.get('train_cfg'))
    uda_cfg.setdefault('test_cfg', cfg.get('test_cfg'))
    runner = cfg.get('runner') or {}
    uda_cfg.setdefault('max_iters', runner.get('max_iters'))
    uda_cfg.setdefault('seed', seed)
    targets = _num_targets(cfg)
    if 'num_targets' in (option_names(UDA.get(uda_cfg.get('type')) or object) or ()) and targets:
        if uda_cfg.setdefault('num_targets', targets) != targets:
            raise ValueError(
                f'uda.num_targets={uda_cfg["num_targets"]}, but data.train.target has {targets} data sets: leave '
                'num_targets out'
            )
    method: UDASegmentor = build_from_config(uda_cfg, UDA)
    method.test_network(method.test_with)
    return method


def _num_targets(cfg: Any) -> int:
    """Number of target streams of a whole config; 0 when it has none."""
    train = (cfg.get('data') or {}).get('train')
    target = train.get('target') if isinstance(train, dict) else None
    return len(target) if isinstance(target, (list, tuple)) else int(target is not None)


def complete_model(cfg: Any) -> Any:
    """The ``model`` of a whole config in which every head has its ``num_classes``.

    A head that says ``num_classes`` keeps it (the engine refuses one that contradicts the data); one that does not has
    as many as the data, ``data.train`` or else ``data.test`` or ``data.val``.

    Raises:
        ValueError: a head without ``num_classes``, and the data do not tell their classes.
    """
    data = cfg.get('data') or {}
    names = class_names([data[part] for part in ('train', 'test', 'val') if data.get(part) is not None])
    return with_num_classes(cfg['model'], None if names is None else len(names))


def with_num_classes(model: Any, num_classes: Optional[int]) -> Any:
    """A copy of a segmentor config whose heads have ``num_classes`` where they do not say it themselves.

    Raises:
        ValueError: ``num_classes`` is None, but a head needs it.
    """
    model = copy.deepcopy(model)
    for key in ('decode_head', 'auxiliary_head'):
        heads = model.get(key)
        for head in heads if isinstance(heads, (list, tuple)) else [heads]:
            if isinstance(head, Mapping) and _takes_num_classes(head) and not _says_num_classes(head):
                if num_classes is None:
                    raise ValueError(
                        f'model.{key}.num_classes is missing, and the classes of data.train are only known when its '
                        'files are read: set it'
                    )
                head['num_classes'] = num_classes  # type: ignore[index]
    return model


def _takes_num_classes(head: Mapping[str, Any]) -> bool:
    kind = head.get('type')
    cls = HEADS.get(kind) if isinstance(kind, str) else kind
    if cls is None:
        return False  # building it says what is wrong with its type
    names = option_names(cls)
    return names is None or 'num_classes' in names


def _says_num_classes(head: Any) -> bool:
    """Whether a head, or one that it is made of (K-Net's), has ``num_classes``."""
    if isinstance(head, Mapping):
        return head.get('num_classes') is not None or any(map(_says_num_classes, head.values()))
    return isinstance(head, (list, tuple)) and any(map(_says_num_classes, head))

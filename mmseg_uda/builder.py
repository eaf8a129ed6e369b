"""From a whole config to the model that is trained."""

from __future__ import annotations

from typing import Any

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
        ValueError: another number of targets than the data have, or a ``test_with`` that the method does not offer.
    """
    uda_cfg = dict(cfg.get('uda') or dict(type='SourceOnly'))
    uda_cfg['model'] = cfg['model']
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

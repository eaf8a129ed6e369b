"""Facts of a config that must agree before the first iteration: what is counted, hooks, and the class lists of all data
sets.

Errors of this and the two sibling modules (``network_checks``, ``data_checks``) are ``ValueError`` s, which
:func:`~mmseg_uda.utils.config_errors.naming_config` turns into ``ConfigError`` s. Each of these disagreements would
end a run with status 0 and a wrong result, or end it hours later.
"""

from __future__ import annotations

import logging
from typing import Any, Iterator, Mapping, Optional, Sequence

from ..datasets.class_names import class_names
from ..utils.class_lists import class_difference
from .evaluation_sets import plain_configs

#: options of ``uda`` that name the iteration in which a part of a method begins, and what a run is that ends before
_PHASES = {'source_iters': 'learns from labels alone', 'start_iter': 'is never {}'}


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


def first_whole_iteration(uda: Mapping[str, Any]) -> int:
    """First iteration in which all parts of a method work: what comes before must not be timed or counted for it."""
    return max(int(uda.get(option) or 0) for option in _PHASES)


def report_phases(method: Any, max_iters: int, logger: logging.Logger) -> None:
    """Say that a run ends before a part of its method begins."""
    for option, what in _PHASES.items():
        first = getattr(method, option, 0)
        if first >= max_iters:
            what = what.format(method.title)
            logger.warning('uda.%s=%d: the run has %d iterations and %s', option, first, max_iters, what)


def check_hooks(hooks: Sequence[Any], logger: logging.Logger) -> None:
    """Refuse hooks that count epochs, and say what ``EMAHook`` does in a run of iterations.

    Raises:
        ValueError: names the hook and the option.
    """
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
    difference = class_difference(found, wanted, whom)
    if difference is not None:
        raise ValueError(
            f'{who} has {difference}. Predictions would be scored under wrong names: give both the same '
            'classes=[...] (or label_space), in the order of the network'
        )

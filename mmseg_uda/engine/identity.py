"""What decides a run: its config, seed, data lists and code; compared between ranks, and with the checkpoint that a run
goes on from."""

from __future__ import annotations

import functools
import hashlib
import json
import logging
import platform
from pathlib import Path
from typing import Any, Iterator, Mapping, NamedTuple, Sequence

import mmcv
import mmseg
import numpy as np
import torch
from mmcv import Config

from ..options.common import CHANGED_FLAG
from ..utils.checkpoint_io import CheckpointError, plain
from ..utils.config_errors import TOP_LEVEL, ConfigError
from ..utils.config_text import read_config_text
from .distributed import gather_objects, is_distributed

#: entries that may differ between the ranks of a job: places of this machine
LOCAL = ('work_dir', 'data_root', 'dist_params')
#: entries that change nothing about the weights
HARMLESS = (
    *('work_dir', 'load_from', 'resume_from', 'log_config', 'log_level', 'checkpoint_config', 'evaluation'),
    *('dist_params', 'custom_imports', 'workflow', 'dataset_type', 'data_root', 'data.val', 'data.test', 'data.cache'),
    *('data.workers_per_gpu', 'data.train_dataloader.workers_per_gpu', 'cudnn_benchmark', 'active.folder'),
    *('views', 'uda.debug_img_interval', 'uda.print_grad_magnitude'),
)
#: entries (and parts of them) after whose change no run could have had this history
DECISIVE = ('uda', 'optimizer.type', 'seed', 'active', 'data lists')


class RankError(RuntimeError):
    """Ranks of one job that do not run the same; the message names the first difference."""


class Difference(NamedTuple):
    """An entry that differs."""

    key: str
    old: Any
    new: Any

    def __str__(self) -> str:
        return f'{self.key}: {_short(self.old)} -> {_short(self.new)}'


class _Absent:
    def __repr__(self) -> str:
        return '(absent)'


ABSENT = _Absent()


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) < 80 else f'{text[:77]}...'


def flat(node: Any, prefix: str = '') -> Iterator[tuple[str, Any]]:
    """The leaves of a nested config under dotted keys; lists of plain values are leaves, as tuples are."""
    if isinstance(node, Mapping) and node:
        for key, value in node.items():
            yield from flat(value, f'{prefix}.{key}' if prefix else str(key))
    elif isinstance(node, (list, tuple)) and any(isinstance(item, (Mapping, list, tuple)) for item in node):
        for number, item in enumerate(node):
            yield from flat(item, f'{prefix}.{number}')
    else:
        yield prefix, list(node) if isinstance(node, tuple) else node


def settings(cfg: Config) -> dict[str, Any]:
    """The entries of a config that tools read, under dotted keys; free variables of the file are left out."""
    values = cfg._cfg_dict.to_dict()
    return dict(flat({key: plain(values[key]) for key in TOP_LEVEL if values.get(key) is not None}))


def data_lists(dataset: Any) -> dict[str, str]:
    """What a training set shows: number and hash of the images of every part of every stream, whatever their root."""
    found = {}
    for name, stream in dataset.streams.items():
        for number, part in enumerate(stream.parts):
            names = [[info.get('filename'), (info.get('ann') or {}).get('seg_map')] for info in _infos(part)]
            store = getattr(part, 'store', None)  # pseudo-labels may be thresholded anew
            text = json.dumps([names, plain(getattr(store, 'labels', None))], sort_keys=True)
            digest = hashlib.sha256(text.encode()).hexdigest()[:12]
            found[f'data lists.{name}.{number}'] = f'{len(part)} images, hash {digest}'
    return found


def _infos(part: Any) -> Sequence[Mapping[str, Any]]:
    infos = getattr(part, 'img_infos', None) or ()
    return infos if all(isinstance(info, Mapping) for info in infos) else ()


@functools.lru_cache(maxsize=None)
def code_version() -> dict[str, str]:
    """Hash of this package's source text, and versions of what it stands on."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob('*.py')):
        digest.update(f'{path.relative_to(root).as_posix()}\0'.encode() + path.read_bytes() + b'\0')
    return {
        'code of mmseg_uda': digest.hexdigest()[:12],
        'python': '.'.join(platform.python_version_tuple()[:2]),
        **{module.__name__: module.__version__ for module in (torch, mmcv, mmseg, np)},
    }


def differences(old: Mapping[str, Any], new: Mapping[str, Any], without: Sequence[str] = ()) -> list[Difference]:
    """Entries that differ, in the order of their keys.

    Args:
        without: keys left out, with everything below them; a name without dots also as the last part of a key.
    """
    found = []
    for key in sorted({*old, *new}):
        left, right = old.get(key, ABSENT), new.get(key, ABSENT)
        same = left == right or (left != left and right != right)
        if not same and not covers(without, key) and key.rsplit('.', 1)[-1] not in without:
            found.append(Difference(key, left, right))
    return found


def covers(names: Sequence[str], key: str) -> bool:
    """Whether ``key`` or something that it is part of is among ``names``."""
    return any(key == name or key.startswith(f'{name}.') for name in names)


# ---- ranks
# -------------------------------------------------------------------------------------------------------------------
def check_ranks(values: Mapping[str, Any]) -> None:
    """Compare ``values`` between the ranks of a job; a collective of a hash when they are equal.

    Raises:
        RankError: on every rank, names the first rank and the first entry that differ from rank 0.
    """
    if not is_distributed():
        return
    values = {key: value for key, value in values.items() if not (covers(LOCAL, key) or key.endswith('.data_root'))}
    text = json.dumps(plain(values), sort_keys=True)
    if len(set(gather_objects(hashlib.sha256(text.encode()).hexdigest()))) == 1:
        return
    everybody = gather_objects(json.loads(text))
    for rank, other in enumerate(everybody):
        found = differences(everybody[0], other)
        if found:
            more = f' ({len(found) - 1} more entries differ)' if len(found) > 1 else ''
            raise RankError(
                f'rank {rank} does not run what rank 0 runs: {found[0].key} is {_short(found[0].new)} instead of '
                f'{_short(found[0].old)}{more}. Start all ranks with the same command, config, data and code'
            )


# ---- going on
# ----------------------------------------------------------------------------------------------------------------
def check_resumed(
    meta: Mapping[str, Any],
    cfg: Config,
    lists: Mapping[str, str],
    source: Any,
    logger: logging.Logger,
    allow: bool = False,
) -> None:
    """Say what has changed since a checkpoint was written, and refuse what makes it another run.

    Args:
        meta: of the checkpoint.
        cfg, lists: of this run.
        source: the checkpoint's path.
        allow: go on in any case (``--resume-changed``).

    Raises:
        CheckpointError: method, optimiser type, seed, active block or data lists differ.
    """
    if not isinstance(meta.get('config'), str) or not isinstance(meta.get('data_lists'), Mapping):
        logger.warning('%s does not say with which config and data it was trained: nothing is compared', source)
        return
    try:
        before = settings(read_config_text(meta['config'], source))
    except ConfigError as error:
        logger.warning('the config of the checkpoint is not compared: %s', error)
        return
    found = differences({**before, **meta['data_lists']}, {**settings(cfg), **lists}, HARMLESS)
    for change in found:
        logger.warning('changed since %s: %s', source, change)
    decisive = [change for change in found if covers(DECISIVE, change.key) or _optimizer_type(change.key)]
    if decisive and not allow:
        raise CheckpointError(
            f"'{source}' was trained with other settings, so that no run could have this history: "
            + '; '.join(map(str, decisive[:3]))
            + (f' and {len(decisive) - 3} more' if len(decisive) > 3 else '')
            + f'. Train in another --work-dir, take the weights alone with --load-from, or pass {CHANGED_FLAG}'
        )
    if meta.get('code') != code_version():
        logger.warning('%s was written by another version of the code, or of its libraries', source)


def _optimizer_type(key: str) -> bool:
    """``optimizer.<network>.type``"""
    parts = key.split('.')
    return parts[0] == 'optimizer' and parts[-1] == 'type'

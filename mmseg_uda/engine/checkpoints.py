"""Which checkpoints a run can go on from."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional

from mmcv.runner import get_dist_info

from ..utils.checkpoint_io import CheckpointError, load_checkpoint_file
from .distributed import gather_objects


def find_resumable(work_dir: Path, logger: Optional[logging.Logger] = None) -> Optional[Path]:
    """The newest ``iter_*.pth`` of ``work_dir`` that a run can go on from, or None (``--auto-resume``).

    Folders, dangling links, broken files, bare weights and files of other programs are passed over with a line each.
    Under a launcher rank 0 looks, and all ranks get its answer.
    """
    found = _newest_resumable(work_dir, logger) if get_dist_info()[0] == 0 else None
    return gather_objects(found)[0]


def _newest_resumable(work_dir: Path, logger: Optional[logging.Logger]) -> Optional[Path]:
    numbered: Iterator[tuple[int, Path]] = (
        (int(match.group(1)), path)
        for path in work_dir.glob('iter_*.pth')
        if (match := re.fullmatch(r'iter_(\d+)\.pth', path.name))
    )
    for _, path in sorted(numbered, reverse=True):
        try:
            if path.is_dir():
                raise CheckpointError(f"'{path}' is a folder")
            check_resumable(load_checkpoint_file(path), path)
            return path
        except (CheckpointError, OSError) as error:
            if logger is not None:
                logger.warning('--auto-resume passes over %s: %s', path.name, str(error).splitlines()[0])
    return None


def check_resumable(loaded: Mapping[str, Any], path: Any) -> None:
    """Refuse a checkpoint that holds less than a run needs to go on exactly.

    Raises:
        CheckpointError: names what is missing.
    """
    missing = [key for key in ('meta', 'state_dict', 'optimizer', 'engine') if not isinstance(loaded.get(key), Mapping)]
    if not missing and not isinstance(loaded['meta'].get('iter'), int):
        missing = ['meta.iter']
    if missing:
        raise CheckpointError(
            f"'{path}' cannot be resumed, it has no {missing}: use --load-from to start from its weights"
        )

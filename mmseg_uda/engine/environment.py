"""Process set-up of the tools: devices, launchers, logging, work folder."""

from __future__ import annotations

import argparse
import atexit
import os
import time
import warnings
from datetime import timedelta
from pathlib import Path
from typing import Any, Optional

import cv2
import torch
import torch.distributed as dist
from mmcv import Config
from mmcv.runner import get_dist_info, init_dist

from ..builder import complete_model
from ..datasets.builder import without_repeats
from ..toy import draw_missing
from ..utils import rank_watch
from ..utils.checkpoint_io import TRUST_VARIABLE, replacing
from ..utils.config_errors import naming_config
from ..utils.freed_memory import keep_freed_memory
from .distributed import on_main


def apply_common_arguments(args: argparse.Namespace) -> None:
    """Put flags that concern the whole process into its environment."""
    os.environ.setdefault('LOCAL_RANK', str(args.local_rank))
    # what MMSegmentation warns of is what published results were trained with (docs/guides/reproducing_numbers.md)
    warnings.filterwarnings('ignore', 'Default ``avg_non_ignore`` is False')
    if args.trust_checkpoint:
        os.environ[TRUST_VARIABLE] = '1'


def load_config(path: str, overrides: Optional[dict[str, Any]] = None) -> Config:
    """Read a config file, apply ``--cfg-options`` and give the heads the number of classes of the data.

    Raises:
        FileNotFoundError: names the file. ConfigError: a head without ``num_classes``, and the data do not tell.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"config file '{path}' does not exist")
    with naming_config(path):  # an entry that cannot be merged into its base, for example
        cfg = Config.fromfile(path)
        if overrides:
            cfg.merge_from_dict(overrides)
    if cfg.get('runner') is None and cfg.get('total_iters'):  # how MMSegmentation said it before runners
        cfg.runner = dict(type='IterBasedRunner', max_iters=cfg.total_iters)
    if (cfg.get('data') or {}).get('train'):
        cfg.data.train = without_repeats(cfg.data.train)
    if cfg.get('model'):
        with naming_config(path):
            cfg.model = complete_model(cfg)
    return cfg


def start_processes(
    launcher: str, dist_params: Optional[dict[str, Any]], device: Optional[str], gpu_id: int = 0
) -> torch.device:
    """Join the process group when a launcher is given, choose this process's device and prepare for it.

    Args:
        dist_params: ``backend``, and ``timeout``: seconds after which a rank that the others wait for ends the job.

    Returns:
        ``cuda:<local rank>`` or ``cpu`` (then ranks talk over gloo).
    """
    kind = device or ('cuda' if torch.cuda.is_available() else 'cpu')
    cv2.setNumThreads(0)
    if kind == 'cpu':
        keep_freed_memory()
    if launcher == 'none':
        return torch.device(kind, gpu_id) if kind == 'cuda' else torch.device('cpu')
    options = dict(dist_params or {})
    timeout = float(options.pop('timeout', rank_watch.DEFAULT_TIMEOUT))
    if timeout <= 0:
        raise ValueError(f'dist_params.timeout must be positive (seconds), got {timeout}')
    # the process group's own limit comes after ours, which names the rank
    limit = dict(timeout=timedelta(seconds=1.2 * timeout + 60))
    if kind == 'cuda':
        init_dist(launcher, **{'backend': 'nccl', **options, **({} if launcher == 'slurm' else limit)})
        _watch_ranks(timeout)
        return torch.device('cuda', torch.cuda.current_device())
    if launcher != 'pytorch':
        raise ValueError(f'--launcher {launcher} on a CPU is not supported: use torchrun and --launcher pytorch')
    dist.init_process_group('gloo', **limit)  # type: ignore[arg-type]
    # its threads must end before the interpreter does, or a rank that finished now and then aborts on exit
    atexit.register(_leave_group)
    _watch_ranks(timeout)
    return torch.device('cpu')


def _leave_group() -> None:
    if dist.is_initialized():
        dist.destroy_process_group()


def _watch_ranks(timeout: float) -> None:
    rank, world_size = get_dist_info()
    if world_size > 1:
        rank_watch.start(dist.distributed_c10d._get_default_store(), rank, world_size, timeout)
        atexit.register(rank_watch.stop)


def prepare_data(cfg: Config) -> None:
    """Draw the toy data sets that a config names and that are missing; rank 0 draws, the others wait."""
    on_main(lambda: len(draw_missing(cfg)))


def work_folder(cfg: Config, config_path: str, work_dir: Optional[str]) -> Path:
    """The folder of a run: flag, then config, then ``work_dirs/<config name>``; it is entered into ``cfg``."""
    folder = Path(work_dir or cfg.get('work_dir') or Path('work_dirs') / Path(config_path).stem)
    cfg.work_dir = str(folder)
    return folder


def prepare_work_dir(cfg: Config, config_path: str) -> tuple[str, str]:
    """Create the work folder of ``cfg`` and keep a copy of the config in it.

    Returns:
        (timestamp that names the logs, the text of the copy, which takes half a second to make).
    """
    text = cfg.pretty_text
    on_main(lambda: _write_config(text, Path(cfg.work_dir) / Path(config_path).name))
    return time.strftime('%Y%m%d_%H%M%S', time.localtime()), text


def _write_config(text: str, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as temporary:
        temporary.write_text(text, encoding='utf-8')


def environment_text() -> str:
    """Versions and hardware, for the head of a log."""
    import mmseg
    from mmcv.utils import collect_env  # MMSegmentation's asks git about the folder that one happens to stand in

    from ..version import __version__

    info = {**collect_env(), 'MMSegmentation': mmseg.__version__, 'mmseg_uda': __version__}
    return '\n'.join(f'{key}: {value}' for key, value in info.items())

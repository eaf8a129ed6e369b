"""One run of the study: train, look at student and teacher at every evaluation, write one JSON file."""

from __future__ import annotations

import json
import logging
import platform
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Mapping, Optional

import torch
from mmcv import Config
from mmcv.runner import HOOKS, Hook

from mmseg_uda.engine import environment
from mmseg_uda.engine.checkpoints import find_resumable
from mmseg_uda.engine.evaluation import evaluate_all
from mmseg_uda.engine.evaluation_sets import named_test_sets
from mmseg_uda.engine.test import load_model
from mmseg_uda.engine.train import train
from mmseg_uda.utils.checkpoint_io import replacing
from mmseg_uda.version import __version__

from .plan import Row, options_of

ROOT = Path(__file__).resolve().parents[2]
RESULTS = ROOT / 'benchmarks' / 'results' / 'study'
WORK = ROOT / 'work_dirs' / 'study'
NETWORKS = ('student', 'teacher')


def result_path(row: Row, seed: int) -> Path:
    """Where the result of a run stands once it is done."""
    return RESULTS / f'{row.name}_seed{seed}.json'


def work_dir(row: Row, seed: int) -> Path:
    """Checkpoints and logs of a run; not committed."""
    return WORK / f'{row.name}_seed{seed}'


def write_json(path: Path, value: Any) -> None:
    """Write atomically."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(value, indent=1) + '\n', encoding='utf-8')


@HOOKS.register_module()
class StudyRecorder(Hook):
    """Evaluates student and teacher at every evaluation interval and keeps the figures beside the checkpoints."""

    def configure(self, cfg: Config) -> None:
        """Read what the config says about validation."""
        self.datasets = named_test_sets(cfg, 'val')
        self.every = int(cfg.evaluation.interval)
        self.path = Path(cfg.work_dir) / 'curve.json'

    def before_run(self, runner: Any) -> None:
        """Forget points behind the checkpoint that a run goes on from."""
        known = json.loads(self.path.read_text(encoding='utf-8')) if self.path.is_file() else []
        self.curve = [point for point in known if point['iter'] <= runner.iter]

    def after_train_iter(self, runner: Any) -> None:
        """Evaluate where the config asks for it."""
        done = runner.iter + 1
        if done % self.every and done != runner.max_iters:
            return
        metrics = evaluate_networks(runner.model, self.datasets, runner.step.device)
        self.curve.append(dict(iter=done, **metrics))
        write_json(self.path, self.curve)


def evaluate_networks(model: Any, datasets: Mapping[str, Any], device: torch.device) -> dict[str, dict[str, float]]:
    """Metrics in percent, two digits, of student and teacher (where there is one)."""
    own, found = model.test_with, {}
    try:
        for name in (name for name in NETWORKS if name in model.test_networks()):
            model.test_with = name
            metrics = evaluate_all(model, datasets, device, workers=0)
            found[name] = {key: round(100 * value, 2) for key, value in metrics.items() if 'IoU' in key}
    finally:
        model.test_with = own
    return found


def resolved(row: Row, seed: int) -> Config:
    """The config of a run."""
    cfg = environment.load_config(str(ROOT / row.config), None)
    cfg.merge_from_dict(options_of(row), allow_list_keys=True)
    cfg.seed = seed
    cfg.work_dir = str(work_dir(row, seed))
    cfg.custom_hooks = [*(cfg.get('custom_hooks') or []), dict(type='StudyRecorder', priority='LOW')]
    return cfg


def run_one(row: Row, seed: int) -> Path:
    """Do a run, or go on with it, and write its result."""
    began, clock = time.time(), time.process_time()
    torch.set_num_threads(1)
    folder = work_dir(row, seed)
    folder.mkdir(parents=True, exist_ok=True)
    cfg = resolved(row, seed)
    found = find_resumable(folder)
    cfg.resume_from = str(found) if found else None
    logger = logging.getLogger('mmseg')
    spent = _spent(folder)
    train(
        cfg,
        torch.device('cpu'),
        config_name=row.config,
        validate=False,
        logger=logger,
        timestamp=time.strftime('%Y%m%d_%H%M%S'),
    )
    curve = json.loads((folder / 'curve.json').read_text(encoding='utf-8'))
    spent['wall_s'] += time.time() - began
    spent['cpu_s'] += time.process_time() - clock
    return _write_result(row, seed, curve, losses(folder), spent)


def evaluate_checkpoint(row: Row, seed: int, config: str, checkpoint: str) -> dict[str, dict[str, float]]:
    """Figures of the last network of a recipe."""
    cfg = environment.load_config(config, None)
    model = load_model(cfg, checkpoint, None, torch.device('cpu'))
    return evaluate_networks(model, named_test_sets(cfg, 'val'), torch.device('cpu'))


def _spent(folder: Path) -> dict[str, float]:
    """Time of earlier attempts is not known after a kill; only completed attempts count."""
    return dict(wall_s=0.0, cpu_s=0.0)


def losses(folder: Path, points: int = 40) -> list[dict[str, float]]:
    """Logged losses of a run, thinned to about ``points``."""
    lines: dict[int, dict[str, float]] = {}
    for path in sorted(folder.glob('*.log.json')):
        for text in path.read_text(encoding='utf-8').splitlines():
            entry = json.loads(text)
            if entry.get('mode') == 'train':
                keep = {
                    k: round(v, 5) for k, v in entry.items() if isinstance(v, float) and ('loss' in k or 'share' in k)
                }
                lines[entry['iter']] = {'iter': entry['iter'], **keep}
    ordered = [lines[i] for i in sorted(lines)]
    return ordered[:: max(1, len(ordered) // points)]


def _write_result(row: Row, seed: int, curve: Any, curve_of_losses: Any, spent: Mapping[str, float]) -> Path:
    last = {name: value for name, value in curve[-1].items() if name in NETWORKS}
    path = result_path(row, seed)
    write_json(
        path,
        dict(
            row=row.name,
            seed=seed,
            config=row.config,
            options={key: _plain(value) for key, value in options_of(row).items()},
            command=f'python benchmarks/study.py run --only {row.name} --seeds {seed}',
            commit=commit(),
            versions=dict(mmseg_uda=__version__, torch=torch.__version__, python=platform.python_version()),
            device=f'cpu, 1 thread, {processor()}',
            iterations=curve[-1]['iter'],
            wall_s=round(spent['wall_s']),
            cpu_s=round(spent['cpu_s']),
            final=last,
            curve=[{'iter': p['iter'], **{n: p[n]['mIoU'] for n in NETWORKS if n in p}} for p in curve],
            losses=curve_of_losses,
        ),
    )
    return path


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def commit() -> Optional[str]:
    """Short hash of the checkout, with a + where files differ from it."""
    git = subprocess.run(['git', 'describe', '--always', '--dirty=+'], cwd=ROOT, capture_output=True, text=True)
    return git.stdout.strip() or None


def processor() -> str:
    """Name of the processor."""
    if sys.platform == 'linux':
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.processor() or platform.machine()

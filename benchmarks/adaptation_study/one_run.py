"""One run of the study: train, look at student and teacher at every evaluation, write one JSON file."""

from __future__ import annotations

import json
import logging
import os
import platform
import shutil
import time
from pathlib import Path
from typing import Any, Mapping, Optional

import torch
from mmcv import Config
from mmcv.runner import HOOKS, Hook
from provenance import commit_of, processor

from mmseg_uda.active.loop import run_loop
from mmseg_uda.datasets.pseudo_label_store import PseudoLabelStore
from mmseg_uda.engine import environment
from mmseg_uda.engine.checkpoints import find_resumable
from mmseg_uda.engine.evaluation import evaluate_all
from mmseg_uda.engine.evaluation_sets import named_test_sets
from mmseg_uda.engine.pseudo_label_extraction import target_config
from mmseg_uda.engine.pseudo_label_report import SHARES, score_labels, scoring_dataset
from mmseg_uda.engine.stages import MARKER, StageContext, dotted, recipe_stages, run_stages
from mmseg_uda.engine.target_statistics import TargetImages, adapt_statistics
from mmseg_uda.engine.test import load_model
from mmseg_uda.engine.train import train
from mmseg_uda.models.modes import set_training_modes
from mmseg_uda.utils.checkpoint_io import replacing
from mmseg_uda.version import __version__

from .figures import WORK, result_path
from .pictures import keeper, write_sheet
from .worlds import WORLDS, Row, crops_of, iterations_of, options_of

ROOT = Path(__file__).resolve().parents[2]
#: set by ``study.py run --device``
DEVICE = torch.device(os.environ.get('MMSEG_UDA_STUDY_DEVICE', 'cpu'))
#: of a result's figures: the same network with batch norm statistics of target images
ADAPTED = ' on target statistics'


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
    """Evaluates all networks at every evaluation interval and keeps the figures beside the checkpoints.

    After the last iteration also with batch norm statistics of target images.

    Args:
        world: key of :data:`~adaptation_study.worlds.WORLDS`.
        statistics: config with the images for target statistics.
    """

    def __init__(self, world: str, statistics: str) -> None:
        self.world, self.statistics = world, statistics

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
        done, last = runner.iter + 1, runner.iter + 1 == runner.max_iters
        if done % self.every and not last:
            return
        views = self.path.parent / 'views'
        metrics = evaluate_networks(runner.model, self.datasets, views=views / f'{done:05d}')
        if last:
            metrics.update(evaluate_adapted(runner.model, self.datasets, self.world, self.statistics))
        self.curve.append(dict(iter=done, **metrics))
        write_json(self.path, self.curve)


def evaluate_networks(
    model: Any, datasets: Mapping[str, Any], suffix: str = '', views: Optional[Path] = None
) -> dict[str, dict[str, float]]:
    """Metrics in percent, two digits, of every network that may answer at test time; that of the config comes first.

    Args:
        views: (folder / beginning of the file names) where predictions of a few images are kept.
    """
    own, found = model.test_with, {}
    try:
        for name in sorted(model.test_networks(), key=lambda name: name != own):
            model.test_with = name
            kept = {}
            if views is not None:
                kept = {key: keeper(value, views.parent, f'{views.name}_{name}') for key, value in datasets.items()}
            metrics = evaluate_all(model, datasets, DEVICE, workers=0, consumers=kept)
            found[name + suffix] = {key: round(100 * value, 2) for key, value in metrics.items() if 'IoU' in key}
    finally:
        model.test_with = own
    return found


def evaluate_adapted(
    model: Any, datasets: Mapping[str, Any], world: str, statistics: str
) -> dict[str, dict[str, float]]:
    """The same with batch norm statistics of target images; the model, which has to be in training modes, keeps these
    statistics."""
    cfg = environment.load_config(str(ROOT / statistics), None)
    cfg.merge_from_dict(crops_of(cfg, WORLDS[world]), allow_list_keys=True)
    if not any(adapt_statistics(model, TargetImages(cfg), DEVICE).values()):
        return {}
    return evaluate_networks(model, datasets, ADAPTED)


def statistics_of(row: Row) -> str:
    """The config whose target images give the statistics of a row's last figures."""
    return row.statistics or WORLDS[row.world].target


def resolved(row: Row, seed: int) -> Config:
    """The config of a run with one training."""
    cfg = environment.load_config(str(ROOT / row.config), None)
    cfg.merge_from_dict({**crops_of(cfg, WORLDS[row.world]), **options_of(row)}, allow_list_keys=True)
    cfg.seed = seed
    cfg.work_dir = str(work_dir(row, seed))
    cfg.custom_hooks = [
        *(cfg.get('custom_hooks') or []),
        dict(type='StudyRecorder', priority='LOW', world=row.world, statistics=statistics_of(row)),
    ]
    return cfg


def run_one(row: Row, seed: int) -> Path:
    """Do a run, or go on with it, and write its result."""
    environment.start_processes('none', None, DEVICE.type)
    began, clock = time.time(), time.process_time()
    torch.set_num_threads(1)
    folder = work_dir(row, seed)
    folder.mkdir(parents=True, exist_ok=True)
    run = _recipe if row.stages else _rounds if row.rounds else _training
    record = folder / 'spent.json'  # a run that is stopped and goes on takes the time of all its parts
    earlier = json.loads(record.read_text()) if record.is_file() else dict(wall_s=0.0, cpu_s=0.0)
    try:
        curve = run(row, seed, folder)
    finally:
        now = dict(wall_s=time.time() - began, cpu_s=time.process_time() - clock)
        spent = {key: value + earlier[key] for key, value in now.items()}
        write_json(record, spent)
    return _write_result(row, seed, curve, losses(folder), spent)


def _training(row: Row, seed: int, folder: Path) -> Any:
    cfg = resolved(row, seed)
    found = find_resumable(folder)
    cfg.resume_from = str(found) if found else None
    logger, timestamp = logging.getLogger('mmseg'), time.strftime('%Y%m%d_%H%M%S')
    train(cfg, DEVICE, config_name=row.config, validate=False, logger=logger, timestamp=timestamp)
    return json.loads((folder / 'curve.json').read_text(encoding='utf-8'))


def recipe(row: Row) -> list[dict[str, Any]]:
    """The stages of a recipe with the budgets of the row.

    Raises:
        KeyError: the row names a training that the recipe does not have, or leaves one out.
    """
    path = ROOT / row.config
    stages = recipe_stages(environment.load_config(str(path), None))
    trainings = {stage['name'] for stage in stages if stage['type'] == 'train'}
    if trainings != set(row.stages):
        raise KeyError(f'{row.name}: the trainings of {row.config} are {sorted(trainings)}, not {sorted(row.stages)}')
    changed = []
    for stage in stages:
        cfg = environment.load_config(str(path.parent / stage['config']), None)
        own, budget = dotted(stage.get('options') or {}), options_of(row, row.stages.get(stage['name']))
        labels = row.labels if stage['type'] == 'pseudo_labels' else {}
        changed.append({**stage, **labels, 'options': {**crops_of(cfg, WORLDS[row.world]), **own, **budget}})
    return changed


def _recipe(row: Row, seed: int, folder: Path) -> Any:
    context = StageContext(ROOT / row.config, DEVICE, logging.getLogger('mmseg'), seed, validate=False)
    stages = recipe(row)
    first = f'1_{stages[0]["name"]}'
    finished = WORK / f'{row.begins_with}_seed{seed}' / first
    if row.begins_with and (finished / MARKER).is_file() and not (folder / first).exists():
        shutil.copytree(finished, folder / first)  # its fingerprint is compared before it counts as finished
    folders = run_stages(stages, folder, context)
    last = next(stage for stage in reversed(stages) if stage['type'] == 'train')
    points = _last_point(row, context.config(last), folders[last['name']])
    for stage in stages:
        if stage['type'] == 'pseudo_labels' and row.setting == 'uda':
            points[-1]['labels'] = label_quality(context.config(stage), folders[stage['name']], WORLDS[row.world].truth)
    return points


def label_quality(cfg: Config, folder: Path, truth: str) -> dict[str, float]:
    """Accuracy of stored pseudo-labels, percent: of those that are kept, and of the surest tenths of all pixels."""
    scored = score_labels(PseudoLabelStore.open(folder), scoring_dataset(target_config(cfg), truth), quiet=True)
    curve = {f'{share:.0%}': round(100 * value, 2) for share, value in zip(SHARES, scored.curve)}
    return {'kept': round(100 * scored.total_accuracy, 2), **curve}


def _rounds(row: Row, seed: int, folder: Path) -> Any:
    context = StageContext(ROOT / row.config, DEVICE, logging.getLogger('mmseg'), seed, validate=False)
    points = run_loop(ROOT / row.config, folder, context, options_of(row))
    cfg = environment.load_config(str(ROOT / row.config), options_of(row))
    last = sorted(folder.glob('*_round_*'))[-1]
    curve = _last_point(row, cfg, last)
    curve[-1]['rounds'] = [{**point, 'mIoU': round(100 * point['mIoU'], 2)} for point in points]
    return curve


def _last_point(row: Row, cfg: Config, folder: Path) -> list[dict[str, Any]]:
    """Figures of the network that the last training left."""
    model = load_model(cfg, str(folder / f'iter_{cfg.runner.max_iters}.pth'), None, DEVICE)
    datasets = named_test_sets(cfg, 'val')
    figures = evaluate_networks(
        model, datasets, views=WORK / folder.parent.name / 'views' / f'{iterations_of(row):05d}'
    )
    set_training_modes(model)
    figures.update(evaluate_adapted(model, datasets, row.world, statistics_of(row)))
    return [dict(iter=iterations_of(row), **figures)]


def losses(folder: Path, points: int = 40) -> list[dict[str, float]]:
    """Logged losses of a run, thinned to about ``points``."""
    lines: dict[int, dict[str, float]] = {}
    for path in sorted(folder.rglob('*.log.json')):
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
    path = result_path(row, seed)
    labels = curve[-1].pop('labels', None)
    figures = {name: value for name, value in curve[-1].items() if isinstance(value, dict)}
    result = dict(
        row=row.name,
        seed=seed,
        config=row.config,
        options={key: _plain(value) for key, value in options_of(row).items()},
        stages={name: {**options} for name, options in row.stages.items()},
        label_stages={**row.labels},
        command=f'python benchmarks/study.py run --only {row.name} --seeds {seed}',
        commit=commit_of(ROOT),
        versions=dict(mmseg_uda=__version__, torch=torch.__version__, python=platform.python_version()),
        device=described(),
        iterations=iterations_of(row),
        wall_s=round(spent['wall_s']),
        cpu_s=round(spent['cpu_s']),
        final=figures,
        rounds=curve[-1].get('rounds'),
        labels=labels,
        curve=[
            {'iter': p['iter'], **{name: value['mIoU'] for name, value in p.items() if isinstance(value, dict)}}
            for p in curve
        ],
        losses=curve_of_losses,
    )
    write_json(path, result)
    write_sheet(result, work_dir(row, seed) / 'views')
    return path


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def described() -> str:
    """The device of a run, for its result."""
    return torch.cuda.get_device_name(DEVICE) if DEVICE.type == 'cuda' else f'cpu, 1 thread, {processor()}'

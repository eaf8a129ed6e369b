"""The whole loop with one command: train, buy, train with more labels, ... Every stage resumes where it was stopped."""

from __future__ import annotations

import copy
import json
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Sequence

from mmcv import Config
from mmcv.runner import get_dist_info
from mmseg.utils import get_root_logger

from ..engine import environment
from ..engine.checkpoints import find_resumable
from ..engine.distributed import barrier
from ..engine.evaluation import evaluate_all, write_metrics
from ..engine.evaluation_sets import named_test_sets
from ..engine.stages import GO_ON, STAGES, StageContext, run_stages
from ..engine.test import load_model
from ..engine.train import train
from ..engine.work_folder import owned
from ..options.active_loop import parse_args
from ..utils.config_errors import check_top_level, naming_config
from ..utils.json_files import read_record
from .label_set import write_text
from .pictures import write_pictures
from .regions import LoadBoughtLabels
from .scoring import segmentor_predict
from .session import ActiveSession


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run ``tools/active_loop.py``."""
    args = parse_args(argv)
    environment.apply_common_arguments(args)
    cfg = environment.load_config(args.config, args.cfg_options)
    check_top_level(cfg, args.config)
    device = environment.start_processes(args.launcher, cfg.get('dist_params'), args.device, args.gpu_id)
    folder = Path(args.work_dir or Path('work_dirs') / Path(args.config).stem)
    folder.mkdir(parents=True, exist_ok=True)
    logger = get_root_logger(log_file=str(folder / 'loop.log'), log_level=cfg.get('log_level', 'INFO'))
    context = StageContext(Path(args.config), device, logger, args.seed)
    with owned(folder):
        run_loop(Path(args.config), folder, context, args.cfg_options, args.restart_from)


def run_loop(
    config: Path,
    folder: Path,
    context: StageContext,
    options: Optional[dict[str, Any]] = None,
    restart_from: Optional[str] = None,
) -> list[dict[str, Any]]:
    """Run or go on with all stages of :mod:`mmseg_uda.engine.stages`: ``round_00``, ``buy_01``, ``round_01``, ...

    Args:
        config: the config file; ``options`` are changes of it.
        folder: holds the label set (``active``) and one folder per stage.

    Returns:
        one entry per training: round, what was paid so far, and the mIoU on ``data.val``; also in ``curve.json``.
    """
    cfg = environment.load_config(str(config), options)
    with naming_config(str(config)):
        session = open_session(cfg, folder)
        check_budget(cfg, session)
    common = {'config': config.name, 'options': options or {}}
    stages: list[dict[str, Any]] = [{'name': 'round_00', 'type': 'active_train', 'round': 0, **common}]
    for number in range(1, session.rounds + 1):
        stages.append({'name': f'buy_{number:02d}', 'type': 'buy_labels', 'round': number, **common})
        stages.append({'name': f'round_{number:02d}', 'type': 'active_train', 'round': number, **common})
    folders = run_stages(stages, folder, context, restart_from)
    session.reload()
    curve = [curve_point(session, number, folders[f'round_{number:02d}']) for number in range(session.rounds + 1)]
    if get_dist_info()[0] == 0:
        write_text(folder / 'curve.json', json.dumps(curve, indent=1) + '\n')
    return curve


def check_budget(cfg: Config, session: ActiveSession) -> None:
    """Find out before the first training that the last one would have no unlabelled images left.

    Raises:
        ValueError: the budget buys the whole pool, and a stream reads what is not bought.
    """
    if session.acquisition.level != 'image' or not _pool_readers(cfg.data.train.get('target'), cfg.active.pool):
        return
    first = session.label_set.purchases[0].images if session.label_set.purchases else session.initial_images()
    bought, pool = len(first) + sum(session.budget.per_round), len(session.pool)  # type: ignore[union-attr]
    if bought >= pool:
        raise ValueError(
            f'active.initial and active.budget buy {bought} of {pool} images: nothing is left for data.train.target, '
            f'which reads the images that are not bought. Buy at most {pool - 1}'
        )


def open_session(cfg: Config, folder: Path) -> ActiveSession:
    """The session whose label set lies in ``folder/active``, with its initial set.

    Raises:
        ValueError: the pool has no labels to reveal.
    """
    session = ActiveSession(cfg, str(folder / 'active'))
    if not session.pool.simulated:
        raise ValueError(
            'active.pool has no ann_dir: the loop needs labels to reveal; with real annotators use '
            'tools/select_active.py'
        )
    if get_dist_info()[0] == 0:
        session.start()
    barrier()
    session.reload()
    return session


@STAGES.register_module(name='active_train')
def train_stage(stage: Mapping[str, Any], folder: Path, context: StageContext) -> None:
    """Train with the labels of the rounds up to ``round`` and evaluate on ``data.val``."""
    base = context.config(stage)
    cfg = round_config(base, open_session(base, folder.parent), int(stage['round']))
    cfg.work_dir, cfg.seed = str(folder), context.seed
    found = find_resumable(folder, context.logger)
    cfg.resume_from = str(found) if found else None
    meta = {'seed': cfg.seed, 'exp_name': stage['config']}
    runner = train(cfg, context.device, stage['config'], validate=False, meta=meta, logger=context.logger, go_on=GO_ON)
    workers = int(cfg.data.get('workers_per_gpu', 2))
    metrics = evaluate_all(runner.model, named_test_sets(cfg, 'val'), context.device, context.logger, workers)
    if get_dist_info()[0] == 0:
        runner.save_checkpoint(str(folder))
        write_metrics(folder / 'test_last.json', metrics, round=stage['round'])


@STAGES.register_module(name='buy_labels')
def buy_stage(stage: Mapping[str, Any], folder: Path, context: StageContext) -> None:
    """Buy ``round`` with the network of the training before it."""
    number = int(stage['round'])
    cfg = context.config(stage)
    session = open_session(cfg, folder.parent)
    checkpoint = context.folders[f'round_{number - 1:02d}'] / f'iter_{cfg.runner.max_iters}.pth'
    needed = session.acquisition.needs_model
    predict = None
    if needed:
        model = load_model(cfg, str(checkpoint), None, context.device, classes=session.pool.classes)
        predict = segmentor_predict(model)
    session.select(number, predict, context.device, checkpoint)
    if get_dist_info()[0] == 0:
        write_pictures(session.pool, session.label_set, number)
        context.logger.info('round %d bought: %s', number, json.dumps(session.label_set.status()))


def curve_point(session: ActiveSession, number: int, folder: Path) -> dict[str, Any]:
    """What was paid up to a round and what its network scores."""
    remedy = f'--restart-from {folder.name.split("_", 1)[-1]} trains and evaluates that round again'
    metrics = read_record(folder / 'test_last.json', ('metric',), remedy)['metric']
    paid = [p for p in session.label_set.purchases if p.round <= number]
    images, pixels = sum(len(p.images) for p in paid), sum(p.pixels for p in paid)
    return {'round': number, 'images': images, 'pixels': pixels, 'mIoU': metrics['mIoU']}


def round_config(cfg: Config, session: ActiveSession, number: int) -> Config:
    """The training config of a round: its lists of labelled and unlabelled images, or its visible regions.

    Raises:
        ValueError: the training set has no stream that reads bought labels.
    """
    staged = Config(copy.deepcopy(cfg._cfg_dict.to_dict()))
    training = staged.data.train
    if session.acquisition.level == 'image':
        lists = session.label_set.round_folder(number).resolve()
        readers = _pool_readers(training.get('labeled_target'), cfg.active.pool)
        if not readers:
            raise ValueError(
                'data.train.labeled_target is missing, or reads no images of active.pool: the bought images are '
                'read from there'
            )
        for reader in [*readers, *_pool_readers(training.get('paste'), cfg.active.pool)]:
            reader['split'] = str(lists / 'labeled.txt')
        for reader in _pool_readers(training.get('target'), cfg.active.pool):
            reader['split'] = str(lists / 'unlabeled.txt')
        return staged
    loaders = list(_bought_label_steps(training))
    if not loaders:
        raise ValueError(f'data.train has no {LoadBoughtLabels.__name__} step: the bought regions are read by it')
    for step in loaders:
        step['folder'], step['rounds'] = str(session.label_set.folder), number
    return staged


def _pool_readers(stream: Any, pool: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The parts of a stream that read the images of the pool."""
    parts = stream if isinstance(stream, (list, tuple)) else [] if stream is None else [stream]
    return [part for part in parts if all(part.get(key) == pool.get(key) for key in ('type', 'data_root', 'img_dir'))]


def _bought_label_steps(cfg: Any) -> Iterator[dict[str, Any]]:
    if isinstance(cfg, Mapping):
        if cfg.get('type') == LoadBoughtLabels.__name__:
            yield cfg  # type: ignore[misc]
        cfg = list(cfg.values())
    if isinstance(cfg, (list, tuple)):
        for item in cfg:
            yield from _bought_label_steps(item)

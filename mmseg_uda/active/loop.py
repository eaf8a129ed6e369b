"""The whole loop with one command: train, select, train with more labels, ... Every stage resumes where it was stopped."""

from __future__ import annotations

import argparse
import copy
import json
import logging
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Sequence

import torch
from mmcv import Config
from mmcv.runner import get_dist_info
from mmseg.utils import get_root_logger

from ..engine import environment
from ..engine.distributed import barrier
from ..engine.evaluation import evaluate_all, named_test_sets, write_metrics
from ..engine.runner import find_resumable
from ..engine.test import load_model
from ..engine.train import DEFAULT_SEED, train
from ..utils.config_errors import check_top_level, naming_config
from .label_set import write_text
from .pictures import write_pictures
from .regions import LoadBoughtLabels
from .scoring import segmentor_predict
from .session import ActiveSession


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Command line."""
    parser = argparse.ArgumentParser(description='Train and buy labels in turn, for all rounds of a config; run it again to go on')
    parser.add_argument('config', help="config file with an 'active' block whose pool has labels (a simulation)")
    parser.add_argument('--work-dir', help='folder of the loop (default: work_dirs/<config name>)')
    parser.add_argument('--seed', type=int, default=DEFAULT_SEED)
    parser.add_argument('--gpu-id', type=int, default=0)
    environment.add_common_arguments(parser)
    return parser.parse_args(argv)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run ``tools/active_loop.py``."""
    args = parse_args(argv)
    environment.apply_common_arguments(args)
    cfg = environment.load_config(args.config, args.cfg_options)
    check_top_level(cfg, args.config)
    device = environment.start_processes(args.launcher, cfg.get('dist_params'), args.device, args.gpu_id)
    cfg.seed = args.seed
    folder, timestamp = environment.prepare_work_dir(cfg, args.config, args.work_dir)
    logger = get_root_logger(log_file=str(folder / f'{timestamp}.log'), log_level=cfg.get('log_level', 'INFO'))
    run_loop(cfg, folder, device, args.config, logger)


def run_loop(cfg: Config, folder: Path, device: torch.device, config_name: str, logger: logging.Logger) -> list[dict[str, Any]]:
    """Run or go on with all stages.

    Args:
        folder: holds the label set (``active``) and one work folder per training (``round_00``, ...).

    Returns:
        one entry per training: round, what was paid so far, and the metrics on ``data.val``; also in ``curve.json``.
    """
    with naming_config(config_name):
        session = ActiveSession(cfg, str(folder / 'active'))
        if not session.pool.simulated:
            raise ValueError('active.pool has no ann_dir: the loop needs labels to reveal; with real annotators use tools/select_active.py')
    if get_dist_info()[0] == 0:
        session.start()
    barrier()
    session.reload()
    curve = []
    for number in range(session.rounds + 1):
        if number > 0 and session.label_set.finished < number:
            select_round(cfg, session, folder, number, device)
            logger.info('round %d: %s', number, json.dumps(session.label_set.status()))
        curve.append(train_round(cfg, session, folder, number, device, config_name, logger))
        if get_dist_info()[0] == 0:
            write_text(folder / 'curve.json', json.dumps(curve, indent=1) + '\n')
    return curve


def train_round(
    cfg: Config, session: ActiveSession, folder: Path, number: int, device: torch.device, config_name: str, logger: logging.Logger
) -> dict[str, Any]:
    """Train with the labels of the rounds up to ``number`` and evaluate; a finished stage only reads its result."""
    stage = folder / f'round_{number:02d}'
    result = stage / 'metrics.json'
    if not result.is_file():
        stage_cfg = round_config(cfg, session, number)
        stage_cfg.work_dir = str(stage)
        stage.mkdir(parents=True, exist_ok=True)
        found = find_resumable(stage, logger)
        stage_cfg.resume_from = str(found) if found else None
        meta = {'seed': cfg.seed, 'exp_name': Path(config_name).name, 'config': config_text(stage_cfg)}
        runner = train(stage_cfg, device, config_name, validate=False, meta=meta, logger=logger)
        runner.model.eval()
        metrics = evaluate_all(runner.model, named_test_sets(cfg, 'val'), device, logger, int(cfg.data.get('workers_per_gpu', 2)))
        if get_dist_info()[0] == 0:
            runner.save_checkpoint(str(stage))
            write_metrics(result, metrics, round=number)
        barrier()
    metrics = json.loads(result.read_text())['metric']
    paid = [p for p in session.label_set.purchases if p.round <= number]
    return {
        'round': number,
        'images': sum(len(p.images) for p in paid),
        'pixels': sum(p.pixels for p in paid),
        'mIoU': metrics['mIoU'],
    }


def config_text(cfg: Config) -> str:
    """The config as Python, one line per key: pretty-printing takes seconds, and every stage needs it."""
    return ''.join(f'{key} = {value!r}\n' for key, value in cfg._cfg_dict.to_dict().items())


def select_round(cfg: Config, session: ActiveSession, folder: Path, number: int, device: torch.device) -> None:
    """Buy round ``number`` with the network of the stage before."""
    previous = folder / f'round_{number - 1:02d}'
    checkpoint = previous / f'iter_{cfg.runner.max_iters}.pth'
    predict = segmentor_predict(load_model(cfg, str(checkpoint), None, device)) if session.acquisition.needs_model else None
    session.select(number, predict, device, checkpoint)
    if get_dist_info()[0] == 0:
        write_pictures(session.pool, session.label_set, number)


def round_config(cfg: Config, session: ActiveSession, number: int) -> Config:
    """The training config of a round: its lists of labelled and unlabelled images, or its visible regions.

    Raises:
        ValueError: the training set has no stream that reads bought labels.
    """
    staged = Config(copy.deepcopy(cfg._cfg_dict.to_dict()))
    training = staged.data.train
    if session.acquisition.level == 'image':
        lists = session.label_set.round_folder(number).resolve()
        if training.get('labeled_target') is None:
            raise ValueError('data.train.labeled_target is missing: the bought images are read from there')
        training.labeled_target.split = str(lists / 'labeled.txt')
        if training.get('target') is not None:
            training.target.split = str(lists / 'unlabeled.txt')
        return staged
    loaders = list(_bought_label_steps(training))
    if not loaders:
        raise ValueError(f'data.train has no {LoadBoughtLabels.__name__} step: the bought regions are read by it')
    for step in loaders:
        step['folder'], step['rounds'] = str(session.label_set.folder), number
    return staged


def _bought_label_steps(cfg: Any) -> Iterator[dict[str, Any]]:
    if isinstance(cfg, Mapping):
        if cfg.get('type') == LoadBoughtLabels.__name__:
            yield cfg  # type: ignore[misc]
        cfg = list(cfg.values())
    if isinstance(cfg, (list, tuple)):
        for item in cfg:
            yield from _bought_label_steps(item)

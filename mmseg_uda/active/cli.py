"""``tools/select_active.py``: rank, buy, import, status."""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Optional, Sequence

import torch
from mmcv import Config

from ..engine import environment
from ..engine.test import load_model
from ..options.select_active import parse_args
from ..utils.config_errors import naming_config
from .exchange import export_images, export_regions, import_labels
from .label_set import LabelSetError, write_text
from .pictures import write_pictures
from .scoring import Predict, segmentor_predict
from .session import ActiveSession


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Entry point."""
    args = parse_args(argv)
    environment.apply_common_arguments(args)
    cfg = environment.load_config(args.config, args.cfg_options)
    with naming_config(args.config):
        session = ActiveSession(cfg, args.folder)
    if args.command == 'pictures':
        return draw(session, args.round, args.pictures)
    if args.command != 'status':
        with session.label_set.lock():
            run(args, cfg, session)
    print(json.dumps(session.label_set.status(), indent=1))


def run(args: argparse.Namespace, cfg: Config, session: ActiveSession) -> None:
    """Run a command that changes the label set."""
    if session.pool.simulated or not session.initial or session.label_set.finished >= 0:
        session.start()
    if args.command == 'import':
        purchase = import_labels(session, args.labels, args.ignore_extra)
        print(
            f'round {purchase.round}: {purchase.pixels} pixels imported, {purchase.ignored_pixels} of them '
            'without a class'
        )
        return
    device = environment.start_processes('none', None, args.device, args.gpu_id)
    predict: Optional[Predict] = None
    if args.checkpoint:
        predict = segmentor_predict(
            load_model(cfg, str(args.checkpoint), args.test_with, device, classes=session.pool.classes)
        )
    if args.command == 'rank':
        write_ranking(session, session.rank(predict, device, args.checkpoint))
    elif session.pool.simulated:
        number = session.next_round
        session.select(number, predict, device, args.checkpoint)
        files = write_pictures(session.pool, session.label_set, number, args.pictures)
        print(f'round {number}: {len(files)} pictures in {session.label_set.round_folder(number) / "pictures"}')
    else:
        print(f'to be annotated: {export(session, predict, device, args.checkpoint)}')


def export(
    session: ActiveSession, predict: Optional[Predict], device: torch.device, checkpoint: Optional[Path]
) -> Path:
    """Export the next round for annotation."""
    if session.acquisition.level == 'region':
        return export_regions(session, session.scorer(predict, device), checkpoint)
    if session.next_round == 0:
        return export_images(session, session.initial_images(), 'initial')
    names = session.choose(session.rank(predict, device, checkpoint))
    return export_images(session, names, type(session.acquisition).__name__, str(checkpoint) if checkpoint else None)


def draw(session: ActiveSession, round_number: Optional[int], limit: int) -> None:
    """Draw the purchases of one round, or of all.

    Raises:
        LabelSetError: the round is not bought.
    """
    rounds = [purchase.round for purchase in session.label_set.purchases if purchase.images or purchase.pixels]
    if round_number is not None and round_number not in rounds:
        raise LabelSetError(f'{session.label_set.folder}: round {round_number} is not bought, there are {rounds}')
    for number in rounds if round_number is None else [round_number]:
        files = write_pictures(session.pool, session.label_set, number, limit)
        print(f'round {number}: {len(files)} pictures in {session.label_set.round_folder(number) / "pictures"}')


def write_ranking(session: ActiveSession, scores: dict[str, float]) -> Path:
    """Write ``ranking.csv`` of the next round, best image first."""
    path = session.label_set.round_folder(session.next_round) / 'ranking.csv'
    lines = [
        f'{rank},{name},{score!r}'
        for rank, (name, score) in enumerate(sorted(scores.items(), key=lambda item: (-item[1], item[0])), 1)
    ]
    write_text(path, '\n'.join(['rank,name,score', *lines]) + '\n')
    print(f'{len(scores)} images ranked in {path}')
    return path

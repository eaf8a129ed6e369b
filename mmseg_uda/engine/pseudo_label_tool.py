"""Command line of ``tools/pseudo_labels.py``."""

from __future__ import annotations

import argparse
import json
import warnings
from pathlib import Path
from typing import Any, Optional, Sequence

import numpy as np
from mmcv.runner import get_dist_info
from mmseg.utils import get_root_logger

from ..datasets.pseudo_label_store import PseudoLabelStore, summary_table
from ..ops.esl import COMPACT_LEVELS, FINE_LEVELS, Criterion
from ..options.pseudo_labels import parse_args
from ..utils.config_errors import naming_config
from . import environment
from .pseudo_label_extraction import ExtractionOptions, extract, target_config
from .pseudo_label_report import SHARES, score_labels, scoring_dataset, show

LEVELS = {'fine': FINE_LEVELS, 'compact': COMPACT_LEVELS, 'exact': 0}
FEW_KEPT, HIGH_ENTROPY = 0.2, 0.8


def main(argv: Optional[Sequence[str]] = None) -> Any:
    """Run the tool."""
    args = parse_args(argv)
    return {'extract': _extract, 'threshold': _threshold, 'stats': _stats, 'show': _show}[args.command](args)


def _criterion(args: argparse.Namespace, score: str) -> Criterion:
    return Criterion(score, args.fraction, args.bound, args.limit)


def _extract(args: argparse.Namespace) -> PseudoLabelStore:
    environment.apply_common_arguments(args)
    cfg = environment.load_config(args.config, args.cfg_options)
    device = environment.start_processes(args.launcher, cfg.get('dist_params'), args.device, args.gpu_id)
    logger = get_root_logger(log_level=cfg.get('log_level', 'INFO'))
    with naming_config(args.config):
        target_config(cfg, args.data)
    options = ExtractionOptions(
        _criterion(args, args.criterion),
        LEVELS[args.levels],
        upsample=args.upsample,
        where=args.data,
        batch_size=args.batch_size,
        precision=args.precision,
        test_with=args.test_with,
        chunk=args.chunk,
        shard=args.shard,
        soft=args.soft,
        mode=args.mode,
        prequential=dict(warmup=args.warmup, min_images=args.min_images),
    )
    store = extract(cfg, args.checkpoint, Path(args.out), options, device, logger)
    if get_dist_info()[0] == 0:
        if store.labels is None:
            left = f'{len(store.missing())} of {len(store.keys)}'
            print(f'{left} predictions, or the label maps, are still to come from other jobs')
        else:
            report(store)
    return store


def _threshold(args: argparse.Namespace) -> PseudoLabelStore:
    store = PseudoLabelStore.open(Path(args.folder))
    store.write_labels(_criterion(args, store.origin.score), args.chunk)
    report(store)
    return store


def report(store: PseudoLabelStore) -> None:
    """Print the table of a store and warn about classes that self-training may harm."""
    print('\n'.join(summary_table(store)), flush=True)
    labels = store.labels or {}
    highest = np.max(labels['thresholds'], axis=0)
    for c, name in enumerate(store.origin.classes):
        if labels['count'][c] and labels['kept_share'][c] < FEW_KEPT:
            warnings.warn(f"class '{name}' keeps {100 * labels['kept_share'][c]:.1f} % of its pixels", stacklevel=2)
        if labels['count'][c] and store.origin.score == 'entropy' and highest[c] > HIGH_ENTROPY:
            warnings.warn(
                f"class '{name}' has the entropy threshold {highest[c]:.2f}: half of its pixels are kept although "
                'the network is '
                'undecided on them; --limit puts a bound',
                stacklevel=2,
            )


def _stats(args: argparse.Namespace) -> dict[str, Any]:
    dataset = None
    if args.ann_dir:
        dataset = scoring_dataset(target_config(environment.load_config(args.config), args.data), args.ann_dir)
    results: dict[str, Any] = {}
    for folder in args.folders:
        store = PseudoLabelStore.open(Path(folder))
        scores = score_labels(store, dataset) if dataset is not None else None
        print(f'{folder} ({store.origin.score})')
        print('\n'.join(summary_table(store, None if scores is None else {'accuracy': scores.accuracy})))
        results[folder] = dict(labels=store.labels, **({} if scores is None else vars(scores)))
        if scores is not None:
            print(f'accuracy of the kept labels: {100 * scores.total_accuracy:.2f} %')
    if dataset is not None:
        print('\naccuracy (%) of the most confident share of all pixels')
        titles = [f'{Path(folder).name[:12]} {PseudoLabelStore.open(Path(folder)).origin.score}' for folder in results]
        print(f'{"share":>6s} ' + ' '.join(f'{title:>21s}' for title in titles))
        for k, share in enumerate(SHARES):
            print(
                f'{100 * share:5.0f}% ' + ' '.join(f'{100 * result["curve"][k]:21.2f}' for result in results.values())
            )
    if args.out:
        Path(args.out).write_text(json.dumps(results, indent=1))
    return results


def _show(args: argparse.Namespace) -> list[Path]:
    stores = [PseudoLabelStore.open(Path(folder)) for folder in args.folders]
    written = show(stores, target_config(environment.load_config(args.config), args.data), Path(args.out), args.num)
    print(f"{len(written)} pictures in '{args.out}': image, prediction, kept labels of {', '.join(args.folders)}")
    return written

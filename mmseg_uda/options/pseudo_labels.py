"""Command line of ``tools/pseudo_labels.py``."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from .common import add_common_arguments

#: what --criterion, --levels, --upsample and --mode take; the tool gives them their meaning
CRITERIA = ('entropy', 'margin', 'max_prob')
LEVELS = ('compact', 'exact', 'fine')
UPSAMPLINGS = ('prob', 'logit')
MODES = ('deferred', 'two_pass', 'prequential')


def _shard(text: str) -> tuple[int, int]:
    number, _, total = text.partition('/')
    if not (number.isdigit() and total.isdigit() and int(number) < int(total)):
        raise argparse.ArgumentTypeError(f"'{text}' is not of the form NUMBER/TOTAL with 0 <= NUMBER < TOTAL")
    return int(number), int(total)


def _add_criterion(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--fraction', type=float, default=0.5, help='share of each class that its order statistic keeps (default 0.5)'
    )
    parser.add_argument(
        '--bound',
        type=float,
        help='always keep what is this confident: floor of the entropy threshold (default 0.1), '
        'cap of the probability threshold (default 0.9)',
    )
    parser.add_argument(
        '--limit', type=float, help='never keep what is less confident than this (default: no limit, as published)'
    )
    parser.add_argument(
        '--chunk', type=int, help='images that share thresholds (default: all; 3000 as the released code)'
    )


def _add_data(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        '--data',
        default='data.train.target',
        help='where the data set stands in the config (default: data.train.target)',
    )


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """The commands ``extract``, ``threshold``, ``stats`` and ``show``."""
    parser = argparse.ArgumentParser(description='Make, re-threshold, judge and picture pseudo-labels')
    commands = parser.add_subparsers(dest='command', required=True)
    one = commands.add_parser(
        'extract', help='predict all images of a data set and write label maps; goes on where it stopped'
    )
    one.add_argument('config', help='training config')
    one.add_argument('checkpoint', help='weights of the model')
    one.add_argument('--out', required=True, help='folder to write')
    one.add_argument(
        '--criterion',
        choices=CRITERIA,
        default='entropy',
        help='confidence score: entropy (ESL), max_prob (BDL), margin',
    )
    _add_criterion(one)
    one.add_argument(
        '--levels',
        choices=LEVELS,
        default='fine',
        help='score precision on disk: 16 bits, 8 bits, or exact (then thresholds are exact order statistics)',
    )
    one.add_argument(
        '--upsample', choices=UPSAMPLINGS, default='prob', help='upsample probabilities (published) or scores'
    )
    _add_data(one)
    one.add_argument('--batch-size', type=int, default=1)
    one.add_argument('--precision', choices=['fp32', 'bf16', 'fp16'], default='fp32', help='of the forward pass')
    one.add_argument(
        '--mode',
        choices=MODES,
        default=MODES[0],
        help='deferred: keep predictions, thresholds can be changed; two_pass: predict '
        'twice, keep label maps only; prequential: label each image at once by the images so far',
    )
    one.add_argument(
        '--warmup', type=int, default=50, help='prequential: images that are counted first and labelled last'
    )
    one.add_argument(
        '--min-images', type=float, default=50, help='prequential: effective images of a class before it gets labels'
    )
    one.add_argument(
        '--soft', action='store_true', help="store class probabilities at the network's resolution as well (CoaST)"
    )
    one.add_argument('--test-with', help='network that predicts (student, teacher)')
    one.add_argument(
        '--shard',
        type=_shard,
        default=(0, 1),
        help='this job predicts part NUMBER/TOTAL; all jobs write the same folder',
    )
    one.add_argument('--gpu-id', type=int, default=0)
    add_common_arguments(one)
    two = commands.add_parser('threshold', help='write new label maps from stored predictions, without the network')
    two.add_argument('folder')
    _add_criterion(two)
    three = commands.add_parser('stats', help='per-class table; with --ann-dir also the accuracy')
    four = commands.add_parser('show', help='pictures of kept and rejected labels')
    for sub in (three, four):
        sub.add_argument('folders', nargs='+', help='one or several folders of the same images')
        sub.add_argument('--config', required=sub is four, help='config that holds the data set')
        _add_data(sub)
        sub.add_argument('--out', required=sub is four, help='stats: JSON file; show: folder of pictures')
    three.add_argument(
        '--ann-dir', help='ground truth of these images below data_root: the only way to make this tool read labels'
    )
    four.add_argument('--num', type=int, default=8, help='number of pictures')
    args = parser.parse_args(argv)
    if args.command == 'stats' and args.ann_dir and not args.config:
        parser.error('--ann-dir needs --config')
    return args

"""Command line of ``tools/convert_checkpoint.py``."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from .common import TRUST_FLAG

#: what --to takes
TARGETS = (
    *('ours', 'published', 'student', 'advent', 'coast', 'dstc', 'video', 'vfm'),
    *('target_branch', 'merged'),
)


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Convert checkpoints of SegFormer, DAFormer, HRDA, MIC, UDASS (QuadMix), ADVENT, CoaST, DSTC, '
        'STAL and VFM-UDA to the names of '
        'this package, or back.'
    )
    parser.add_argument('source', help='checkpoint to read')
    parser.add_argument('target', help='checkpoint to write')
    parser.add_argument(
        '--to',
        choices=sorted(TARGETS),
        default='ours',
        help="'ours' (default), 'published' (student and teacher of a DAFormer-family run) or 'student' (alone, "
        "published names), 'advent' (DeepLabV2 of the ADVENT lineage), 'coast' (with a classifier per target), "
        "'video' (the networks of TPS, DA-VSN, UDASS video), 'dstc' (the student, "
        "released names), 'target_branch' (DSTC's second network as a checkpoint of MMSegmentation), 'vfm' (VFM-UDA's "
        "names) or 'merged' (the student of a run with LoRA as an ordinary network)",
    )
    parser.add_argument(
        '--domain-heads',
        type=int,
        help='number of targets of a released CoaST network; needed for a warm-up, which has no target-agnostic '
        'classifier',
    )
    parser.add_argument(
        '--config',
        help='config whose student must take the converted weights without a missing or left-over key (with --to ours)',
    )
    parser.add_argument(
        TRUST_FLAG,
        action='store_true',
        help='unpickle the source fully (published files often hold more than weights); only if you trust its origin',
    )
    args = parser.parse_args(argv)
    if args.config and args.to != 'ours':
        parser.error('--config checks weights with the names of this package: it needs --to ours')
    return args

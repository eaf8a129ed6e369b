"""Command line of ``tools/train.py``."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from .common import CHANGED_FLAG, DEFAULT_SEED, add_common_arguments


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """mmseg's training flags."""
    parser = argparse.ArgumentParser(description='Train a segmentor, with or without domain adaptation')
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for logs and checkpoints (default: work_dirs/<config name>)')
    parser.add_argument('--load-from', help='checkpoint to take weights from')
    parser.add_argument('--resume-from', help='checkpoint to go on from, exactly')
    parser.add_argument(
        '--auto-resume', action='store_true', help='go on from the newest readable checkpoint of the work folder'
    )
    parser.add_argument(
        CHANGED_FLAG,
        action='store_true',
        help='go on although method, optimiser type, seed or data have changed since the checkpoint',
    )
    parser.add_argument('--no-validate', action='store_true', help='do not evaluate during training')
    parser.add_argument('--gpu-id', type=int, default=0, help='GPU of a run without launcher')
    parser.add_argument(
        '--gpus',
        '--gpu-ids',
        nargs='+',
        type=int,
        help='accepted for compatibility; use --gpu-id or tools/dist_train.sh',
    )
    parser.add_argument('--seed', type=int, help=f"random seed (default: the config's, else {DEFAULT_SEED})")
    parser.add_argument(
        '--diff_seed', action='store_true', help='accepted for compatibility: ranks always draw different data'
    )
    parser.add_argument('--deterministic', action='store_true', help='deterministic algorithms')
    add_common_arguments(parser)
    return parser.parse_args(argv)

"""Command line of ``tools/benchmark.py``."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from .common import TRUST_FLAG, DictAction


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Flags of ``tools/benchmark.py``."""
    parser = argparse.ArgumentParser(
        description='Images per second, FLOPs, parameters and memory of a network at test time, on any device'
    )
    parser.add_argument('config')
    parser.add_argument('checkpoint', nargs='?', help='without it the weights are random, which changes no figure')
    parser.add_argument(
        '--size',
        nargs=2,
        type=int,
        metavar=('HEIGHT', 'WIDTH'),
        help='of the images (default: what the test pipeline resizes to, else the crop of the training)',
    )
    parser.add_argument('--batch', type=int, default=1, help='images in one call')
    parser.add_argument('--calls', type=int, default=5, help='measured calls, after one that warms up')
    parser.add_argument('--precision', choices=['fp32', 'bf16', 'fp16'], default='fp32', help='autocast precision')
    parser.add_argument('--windows-per-batch', type=int, default=8, help='sliding windows in one forward pass')
    parser.add_argument('--device', help='cuda, cuda:1, cpu (default: cuda when there is one)')
    parser.add_argument('--threads', type=int, help='CPU threads (default: those of torch)')
    parser.add_argument('--json', metavar='FILE', help='write the figures here as well')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries, key=value')
    parser.add_argument(TRUST_FLAG, action='store_true', help='unpickle the checkpoint fully')
    args = parser.parse_args(argv)
    if args.batch < 1 or args.calls < 1:
        parser.error('--batch and --calls are at least 1')
    return args

"""Command line of ``tools/predict.py``."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from .common import FORMATS, add_common_arguments


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Flags of ``tools/predict.py``."""
    parser = argparse.ArgumentParser(
        description='Segment own images: colour overlays, raw class ids or test-server files'
    )
    parser.add_argument('config', help='config that trained the checkpoint')
    parser.add_argument('checkpoint')
    parser.add_argument('inputs', nargs='+', help='images or folders (searched recursively)')
    parser.add_argument(
        '--out', default='predictions', help='folder for the results; sub-folders of an input folder are kept'
    )
    parser.add_argument('--format', choices=FORMATS, default='overlay')
    parser.add_argument('--opacity', type=float, default=0.5, help='of the colours in overlays')
    parser.add_argument(
        '--video',
        metavar='FILE',
        help='the input is one video file or folder of frames: write the overlays as this video (.mp4, .avi)',
    )
    parser.add_argument('--test-with', help='network of the method that answers (student, teacher)')
    parser.add_argument('--precision', choices=['fp32', 'bf16', 'fp16'], default='fp32', help='autocast precision')
    parser.add_argument('--windows-per-batch', type=int, default=8, help='sliding windows in one forward pass')
    parser.add_argument('--gpu-id', type=int, default=0)
    add_common_arguments(parser)
    return parser.parse_args(argv)

"""Command line of ``tools/export.py``."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from .common import TRUST_FLAG, DictAction


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Flags of ``tools/export.py``."""
    parser = argparse.ArgumentParser(
        description='Write a trained network for use elsewhere: weights, plain config, model card, TorchScript, ONNX'
    )
    parser.add_argument('config', help='config that trained the checkpoint')
    parser.add_argument('checkpoint')
    parser.add_argument('--out', required=True, metavar='DIR', help='folder for the files')
    parser.add_argument(
        '--network', help='network of the method: student, teacher ... (default: the one that the config tests with)'
    )
    parser.add_argument('--torchscript', action='store_true', help='also write model.ts')
    parser.add_argument('--onnx', action='store_true', help='also write model.onnx, checked with onnxruntime')
    parser.add_argument(
        '--size',
        nargs=2,
        type=int,
        metavar=('HEIGHT', 'WIDTH'),
        help='input of a graph of one size (default: the sliding window, or what the test pipeline resizes to)',
    )
    parser.add_argument(
        '--fixed-size',
        action='store_true',
        help='a graph for one size; HRDA and plain vision transformers have no other',
    )
    parser.add_argument(
        '--for',
        dest='others',
        nargs='+',
        choices=['mmseg1'],
        default=[],
        help='also write config_mmseg1.py, with which MMSegmentation 1.x loads model.pth',
    )
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, help='override config entries, key=value')
    parser.add_argument(
        TRUST_FLAG, action='store_true', help='unpickle the checkpoint fully; only if you trust its origin'
    )
    return parser.parse_args(argv)

"""Command line of ``tools/flow.py``."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from .common import DictAction


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Flags of ``tools/flow.py``."""
    parser = argparse.ArgumentParser(description='Optical flow of the video data sets of a config')
    actions = parser.add_subparsers(dest='action', required=True)
    texts = dict(
        compute='write flow files under the names that FlowFiles looks for',
        check='tell how well the flow brings earlier frames, and their labels, to the current ones',
        show='draw frames, flow (colour wheel), warped frames and errors',
    )
    for action, text in texts.items():
        sub = actions.add_parser(action, help=text, description=text)
        sub.add_argument('config')
        sub.add_argument('--only', help='one data set: source, target, val or test (default: all)')
        sub.add_argument('--limit', type=int, help='at most so many pairs of each data set')
        sub.add_argument('--far', action='store_true', help='also the pairs with the frame two steps back')
        sub.add_argument('--preset', default='fast', help='of DISFlow, unless --flow is given')
        sub.add_argument('--grid', nargs=2, type=int, metavar=('WIDTH', 'HEIGHT'), help='size of the flow')
        sub.add_argument('--files', help='take the flow of this folder instead of computing it')
        sub.add_argument('--raft', help='compute with RAFT: file with its weights')
        sub.add_argument('--raft-size', choices=['small', 'large'], default='large')
        if action != 'check':
            sub.add_argument('--out', required=True, help='folder for the result')
        if action == 'compute':
            sub.add_argument('--suffix', choices=['.npy', '.flo', '.png'], default='.npy', help='file format')
        sub.add_argument('--nproc', type=int, default=2, help='worker processes (not with --raft)')
        sub.add_argument('--cfg-options', nargs='+', action=DictAction, default={})
    return parser.parse_args(argv)

"""What several tools read alike; names are mmseg's."""

from __future__ import annotations

import argparse
import sys
from typing import Any, Optional

#: command-line flag of the tools that allows arbitrary pickles
TRUST_FLAG = '--trust-checkpoint'
#: flag of tools/train.py that goes on although method, optimiser or data have changed
CHANGED_FLAG = '--resume-changed'
#: seed of a run that names none
DEFAULT_SEED = 0
#: how predictions are saved: colours, or files for a test server
FORMATS = ('overlay', 'color', 'cityscapes', 'acdc', 'dark_zurich', 'train_ids')


class DictAction(argparse.Action):
    """``KEY=VALUE ...`` as ``mmcv.DictAction`` reads it."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Any, option: Optional[str] = None
    ) -> None:
        wrong = [pair for pair in values if '=' not in pair]
        if wrong:
            parser.error(f"argument {option}: write KEY=VALUE, got '{wrong[0]}'")
        if 'mmcv' not in sys.modules:
            return  # checked before the imports; read again, with their values, after them
        from mmcv import DictAction as Reader

        Reader(self.option_strings, self.dest, nargs='+')(parser, namespace, values, option)


def add_common_arguments(parser: argparse.ArgumentParser) -> None:
    """Flags that training and testing share."""
    parser.add_argument(
        '--cfg-options',
        '--options',
        nargs='+',
        action=DictAction,
        help='override config entries: key=value, nested as model.backbone.depth=50, lists as key="[a,b]"',
    )
    parser.add_argument('--launcher', choices=['none', 'pytorch', 'slurm', 'mpi'], default='none', help='job launcher')
    parser.add_argument('--local_rank', '--local-rank', type=int, default=0, help='set by old launchers')
    parser.add_argument('--device', choices=['cuda', 'cpu'], help='default: cuda when there is one')
    parser.add_argument(
        TRUST_FLAG, action='store_true', help='unpickle checkpoints fully; only for files whose origin you trust'
    )


def data_set_parser(description: Optional[str]) -> argparse.ArgumentParser:
    """Command line of a tool that works on the data sets of a config."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--cfg-options', nargs='+', action=DictAction, default={}, help='override config entries')
    parser.add_argument('--nproc', type=int, default=4, help='worker processes')
    return parser

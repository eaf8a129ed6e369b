"""Command lines of ``tools/convert_datasets/*.py``: the published options."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import NamedTuple, Optional, Sequence


class Layout(NamedTuple):
    """A data set whose labels are converted: its name, its label folder below the root (empty: its converter finds it)
    and the number of processes."""

    name: str
    gt_dir: str
    workers: int = 4


LAYOUTS = {
    'gta': Layout('GTA5', 'labels'),
    'synthia': Layout('SYNTHIA', 'GT/LABELS'),
    'cityscapes': Layout('Cityscapes', 'gtFine', 1),
    'idd': Layout('IDD', 'gtFine'),
    'mapillary': Layout('Mapillary Vistas', ''),
}


def parse_args(argv: Optional[Sequence[str]] = None, data_set: str = '') -> argparse.Namespace:
    """Flags of the converter of a data set."""
    layout = LAYOUTS[data_set]
    parser = argparse.ArgumentParser(description=f'Convert {layout.name} labels to Cityscapes train ids')
    parser.add_argument('root', type=Path, help=f'root folder of {layout.name}')
    parser.add_argument('--gt-dir', default=layout.gt_dir, help='label folder below the root')
    parser.add_argument('-o', '--out-dir', type=Path, help='where the JSON files go (default: the root)')
    parser.add_argument('--nproc', type=int, default=layout.workers, help='worker processes')
    return parser.parse_args(argv)

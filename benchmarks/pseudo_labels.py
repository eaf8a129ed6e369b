"""Memory and time of extracting pseudo-labels, against the number of images: ``python benchmarks/pseudo_labels.py
[--images 100 500]``.

Draws toy city images (kept in ``--data`` for the next time), then extracts from the first ones of them in a process
of its own for each number: prediction, scores on disk, thresholds, label maps. The network is a thin ResNet-18 with
random weights, so that what is measured is the extraction.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)

# isort: split
import cv2
from mmcv import Config

from mmseg_uda.builder import build_train_model
from mmseg_uda.engine.pseudo_label_extraction import extract
from mmseg_uda.engine.pseudo_label_tool import LEVELS
from mmseg_uda.ops.esl import Criterion
from mmseg_uda.toy import TOY_DATASETS, ensure_toy_world
from mmseg_uda.utils.checkpoint_io import save_checkpoint_file

CLASSES = 19
NORM = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
COLUMNS = ('images', 'start_mib', 'peak_mib', 'cpu_s_per_image')


def parse_args() -> argparse.Namespace:
    """Flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--images', type=int, nargs='+', default=[100, 500])
    parser.add_argument('--size', type=int, nargs=2, default=(1024, 512), metavar=('WIDTH', 'HEIGHT'))
    parser.add_argument('--levels', choices=sorted(LEVELS), default='fine')
    parser.add_argument('--data', default='data/toy_benchmark', help='folder of the drawn images')
    parser.add_argument('--one', type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def config(args: argparse.Namespace, split: Path) -> Config:
    """A source-only config whose target stream is the images that ``split`` lists."""
    norm_cfg = dict(type='BN')
    model = dict(
        type='EncoderDecoder',
        pretrained=None,
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
        backbone=dict(type='ResNet', depth=18, base_channels=8, stem_channels=8, norm_cfg=norm_cfg),
        decode_head=dict(
            type='FCNHead', in_channels=64, in_index=3, channels=16, num_convs=1, num_classes=CLASSES, norm_cfg=norm_cfg
        ),
    )
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='Normalize', **NORM),
        dict(type='DefaultFormatBundle'),
        dict(type='Collect', keys=['img']),
    ]
    target = dict(
        type='CityscapesDataset',
        data_root=f'{args.data}/cityscapes',
        img_dir='leftImg8bit/train',
        split=str(split),
        pipeline=pipeline,
    )
    return Config(dict(model=model, data=dict(workers_per_gpu=0, train=dict(target=target))))


def peak_mib() -> float:
    """Largest resident memory of this process so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def measure(args: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One extraction, in this process."""
    torch.set_num_threads(1)
    cv2.setNumThreads(0)
    cfg = config(args, folder / 'split.txt')
    torch.manual_seed(0)
    save_checkpoint_file(dict(meta={}, state_dict=build_train_model(cfg).state_dict()), folder / 'model.pth')
    start, clock = peak_mib(), time.process_time()
    store = extract(
        cfg,
        str(folder / 'model.pth'),
        folder / 'labels',
        Criterion('entropy'),
        torch.device('cpu'),
        LEVELS[args.levels],
    )
    count = len(store.keys)
    return dict(
        images=count,
        start_mib=round(start),
        peak_mib=round(peak_mib()),
        cpu_s_per_image=round((time.process_time() - clock) / count, 3),
    )


def main() -> None:
    """Measure every number of images and print a table and a JSON object."""
    args = parse_args()
    if args.one:
        print(json.dumps(measure(args, args.one)))
        return
    width, height = args.size
    scale = max(args.images) / TOY_DATASETS['cityscapes']['train']
    ensure_toy_world(args.data, ['cityscapes'], width=width, height=height, scale=scale)
    root = Path(args.data) / 'cityscapes/leftImg8bit/train'
    names = sorted(
        path.relative_to(root).as_posix()[: -len('_leftImg8bit.png')] for path in root.rglob('*_leftImg8bit.png')
    )
    rows = []
    print(' '.join(f'{name:>15s}' for name in COLUMNS))
    for count in args.images:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / 'split.txt').write_text('\n'.join(names[:count]) + '\n')
            command = [sys.executable, __file__, '--one', folder, '--levels', args.levels, '--data', args.data]
            rows.append(
                json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()[-1])
            )
        print(' '.join(f'{rows[-1][name]:15g}' for name in COLUMNS), flush=True)
    print(
        json.dumps(
            {
                'size': [width, height],
                'classes': CLASSES,
                'levels': args.levels,
                'threads': 1,
                'torch': torch.__version__,
                'rows': rows,
            }
        )
    )


if __name__ == '__main__':
    main()

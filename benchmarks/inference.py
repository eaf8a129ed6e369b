"""Images per second of evaluation: sliding windows batched or one by one, in fp32 or under autocast.

python benchmarks/inference.py
python benchmarks/inference.py --model configs/_base_/models/daformer_sepaspp_mitb5.py \
        --size 1024 2048 --crop 1024 --stride 512
"""

from __future__ import annotations

import argparse
import platform
import time
from pathlib import Path
from typing import Any

import torch

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)

# isort: split
from mmcv import Config
from mmseg.models import build_segmentor

from mmseg_uda.builder import with_num_classes
from mmseg_uda.engine.inference import inference_mode

ROOT = Path(__file__).resolve().parents[1]


def parse_args() -> argparse.Namespace:
    """Flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--model', default='configs/_base_/models/segformer_b0.py', help='config file with the model')
    parser.add_argument('--size', type=int, nargs=2, default=(256, 512), metavar=('HEIGHT', 'WIDTH'))
    parser.add_argument('--crop', type=int, default=128, help='side of the sliding window')
    parser.add_argument('--stride', type=int, default=64)
    parser.add_argument('--images', type=int, default=3, help='measured images, after one that warms up')
    parser.add_argument('--threads', type=int, default=1, help='CPU threads')
    parser.add_argument('--device', choices=['cuda', 'cpu'], default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument(
        '--clock',
        choices=['wall', 'cpu'],
        default='wall',
        help='cpu: processor time, for a machine that is busy otherwise',
    )
    return parser.parse_args()


def build(args: argparse.Namespace) -> Any:
    """The network with random weights, in sliding-window mode."""
    config = Config.fromfile(str(ROOT / args.model))
    config.merge_from_dict(
        {'model.test_cfg': dict(mode='slide', crop_size=(args.crop, args.crop), stride=(args.stride, args.stride))}
    )
    model = with_num_classes(config.model, 19)
    model.pretrained = None
    return build_segmentor(model).to(args.device)


def measure(args: argparse.Namespace, model: Any, windows: int, precision: str) -> float:
    """Seconds per image."""
    device = torch.device(args.device)
    clock = time.perf_counter if args.clock == 'wall' else time.process_time
    image = torch.randn((1, 3, *args.size), device=device)
    meta = [dict(ori_shape=(*args.size, 3), img_shape=(*args.size, 3), flip=False)]
    with inference_mode(model, device, precision, windows):
        model.simple_test(image, meta)
        start = clock()
        for _ in range(args.images):
            model.simple_test(image, meta)
        return (clock() - start) / args.images


def main() -> None:
    args = parse_args()
    torch.set_num_threads(args.threads)
    model = build(args)
    processor = f'{platform.processor() or platform.machine()}, {args.threads} thread(s)'
    hardware = torch.cuda.get_device_name() if args.device == 'cuda' else processor
    settings = f'{args.size[0]}x{args.size[1]}, windows {args.crop} every {args.stride}'
    print(f'{args.model}, {settings}, {hardware}, torch {torch.__version__}, {args.clock} time\n')
    print('| windows per batch | precision | s/image | images/s | time to one by one |\n|---|---|---|---|---|')
    base = None
    for windows, precision in ((1, 'fp32'), (8, 'fp32'), (8, 'bf16')):
        seconds = measure(args, model, windows, precision)
        base = base or seconds
        print(f'| {windows} | {precision} | {seconds:.3f} | {1 / seconds:.2f} | {seconds / base:.2f} |', flush=True)


if __name__ == '__main__':
    main()

"""Processor time and memory of acquisition in one image: ``python benchmarks/select_active.py [--height 1024 --width
2048]``.

Each part runs alone: class scores -> RIPU's score map -> greedy selection, and class scores -> STAL's mean entropy.
The plain loop (one full-map maximum per pick, as in the released code) is measured on request, for comparison.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from typing import Any, Callable

import numpy as np
import torch

from mmseg_uda.ops.acquisition import greedy_select, mean_entropy_score, picks_per_round, pixel_score, region_score


def timed(function: Callable[[], Any], repeats: int) -> tuple[Any, float]:
    """Result and the median processor seconds (all threads) of some runs."""
    seconds = []
    for _ in range(repeats):
        start = time.process_time()
        result = function()
        seconds.append(time.process_time() - start)
    return result, float(np.median(seconds))


def plain_selection(score: np.ndarray, picks: int, block_radius: int) -> int:
    """The released loop: search the whole map for every pick."""
    score = score.copy()
    for _ in range(picks):
        row, column = np.unravel_index(int(score.argmax()), score.shape)
        score[
            max(row - block_radius, 0) : row + block_radius + 1,
            max(column - block_radius, 0) : column + block_radius + 1,
        ] = -np.inf
    return picks


def main() -> None:
    """Measure and print one JSON object."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--height', type=int, default=1024)
    parser.add_argument('--width', type=int, default=2048)
    parser.add_argument('--classes', type=int, default=19)
    parser.add_argument('--share', type=float, default=0.022)
    parser.add_argument('--repeats', type=int, default=3)
    parser.add_argument('--plain', action='store_true', help='also measure one full-map maximum per pick')
    args = parser.parse_args()
    shape = (args.classes, args.height // 16, args.width // 16)
    small = torch.randn(1, *shape, generator=torch.Generator().manual_seed(0)) * 3
    scores = torch.nn.functional.interpolate(
        small, size=(args.height, args.width), mode='bilinear', align_corners=True
    )[0]
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    (regions, _, _), region_seconds = timed(lambda: region_score(scores, 1), args.repeats)
    pixels, pixel_seconds = timed(lambda: pixel_score(scores, 32), args.repeats)
    image_seconds = timed(lambda: mean_entropy_score(scores[None]), args.repeats)[1]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    picks = picks_per_round(args.height * args.width, args.share, 5, 1)
    blocked = np.zeros((args.height, args.width), bool)
    result = {
        'image': [args.height, args.width],
        'classes': args.classes,
        'threads': torch.get_num_threads(),
        'image_score_s': image_seconds,
        'region_score_s': region_seconds,
        'pixel_score_s': pixel_seconds,
        'score_memory_mb': (peak - before) / 1024,
        'class_scores_mb': scores.numel() * 4 / 2**20,
        'region_picks': picks,
        'region_select_s': timed(lambda: greedy_select(regions.numpy(), blocked.copy(), picks, 1, 2), args.repeats)[1],
        'pixel_picks': 21,
        'pixel_select_s': timed(lambda: greedy_select(pixels.numpy(), blocked.copy(), 21, 0, 32), args.repeats)[1],
    }
    if args.plain:
        result['region_select_plain_s'] = timed(lambda: plain_selection(regions.numpy(), picks, 2), 1)[1]
    print(json.dumps(result, indent=1))


if __name__ == '__main__':
    main()

"""Endless index streams: which file a position of a stream reads, and with which random numbers."""

from __future__ import annotations

import random
from contextlib import contextmanager
from fractions import Fraction
from math import floor
from typing import Iterator, Sequence

import numpy as np
import torch

from ..utils.rng import numpy_generator, stable_seed


class IndexStream:
    """An endless shuffled walk over ``length`` items: a new permutation each epoch.

    ``stream[position]`` is a function of (seed, name, position): workers, ranks and resumed runs read the same items,
    and only the permutation of the current epoch is held in memory (no cross product of source and target lists).

    Args:
        length: number of items.
        seed: seed of the run.
        name: name of the stream; streams of different names are independent.
    """

    def __init__(self, length: int, seed: int, name: str) -> None:
        if length < 1:
            raise ValueError(f'the {name} data set has no image: check its data_root, img_dir, img_suffix and split')
        self.length = length
        self.key = (seed, name)
        self._epoch = -1
        self._order = np.empty(0, np.int64)

    def __getitem__(self, position: int) -> int:
        if position < 0:
            raise IndexError(f'positions of a stream start at 0, got {position}')
        epoch, offset = divmod(position, self.length)
        if epoch != self._epoch:
            self._epoch = epoch
            self._order = numpy_generator(*self.key, 'epoch', epoch).permutation(self.length)
        return int(self._order[offset])


class WeightedIndexStream:
    """An endless walk over several groups of items in fixed shares: each group is walked like an :class:`IndexStream`
    of its own.

    The groups alternate evenly: any run of positions holds every group in its share, give or take one item for each
    group, and the group and item of a position are functions of (seed, name, position).

    Args:
        lengths: items of each group; the items are numbered through.
        weights: positive share of each group; their sum need not be 1.
        seed, name: as in :class:`IndexStream`.

    Raises:
        ValueError: not one positive weight for each group.
    """

    def __init__(self, lengths: Sequence[int], weights: Sequence[float], seed: int, name: str) -> None:
        if len(lengths) != len(weights) or min(weights, default=0) <= 0:
            raise ValueError(
                f'the {name} stream has {len(lengths)} data sets; its shares must be as many positive numbers, '
                f'got {list(weights)}'
            )
        self.groups = [IndexStream(length, seed, f'{name}.{i}') for i, length in enumerate(lengths)]
        self.starts = [sum(lengths[:i]) for i in range(len(lengths))]
        parts = [Fraction(weight).limit_denominator(10**6) for weight in weights]
        #: share of each group among itself and the later ones
        self.shares = [part / sum(parts[i:]) for i, part in enumerate(parts)]

    def __getitem__(self, position: int) -> int:
        if position < 0:
            raise IndexError(f'positions of a stream start at 0, got {position}')
        for group, share, start in zip(self.groups, self.shares, self.starts):
            before = floor(position * share)
            if floor((position + 1) * share) > before:
                return start + group[before]
            position -= before
        raise AssertionError('the last group takes every position that is left')


@contextmanager
def fixed_randomness(*key: object) -> Iterator[None]:
    """Seed the global CPU generators from ``key`` for a block and put them back afterwards.

    MMSegmentation's transforms draw from the global generators; with this a sample depends on its position only, and
    loading in the main process does not disturb the model's random numbers.
    """
    seed = stable_seed(*key)
    before = random.getstate(), np.random.get_state(), torch.default_generator.get_state()
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.default_generator.manual_seed(seed)
    try:
        yield
    finally:
        random.setstate(before[0])
        np.random.set_state(before[1])
        torch.default_generator.set_state(before[2])

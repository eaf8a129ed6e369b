"""Counter-based random numbers: every draw is a function of (seed, iteration, rank or sample), never of history.

An iteration that is repeated after a resume draws what it drew the first time, with nothing about random state in the
checkpoint and for any number of ranks. Two kinds of generators are handed to a method:

* ``shared``: equal on all ranks. Decisions of a whole iteration (is the colour jitter on, the order of its
  operations, the blur's sigma, the HRDA crop box).
* ``samples[i]``: one per image, keyed by its number in the *global* batch. Decisions about one image (its classes,
  jitter factors, block mask). Two ranks with one image each therefore draw what one rank with two images draws.

Dropout and stochastic depth use torch's global generator, which :func:`seed_everything` sets at the start of an
iteration.
"""

from __future__ import annotations

import hashlib
import random
from typing import Iterator, Optional, Sequence

import numpy as np
import torch


def stable_seed(*parts: object) -> int:
    """A 63-bit seed that depends on the text of ``parts`` only (not on the process, platform or hash randomisation)."""
    text = '\x1f'.join(str(part) for part in parts)
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), 'little') >> 1


def torch_generator(*parts: object) -> torch.Generator:
    """A CPU ``torch.Generator`` seeded by :func:`stable_seed`."""
    return torch.Generator().manual_seed(stable_seed(*parts))


def numpy_generator(*parts: object) -> np.random.Generator:
    """A NumPy generator seeded by :func:`stable_seed`."""
    return np.random.Generator(np.random.PCG64(stable_seed(*parts)))


def seed_everything(*parts: object) -> None:
    """Seed the global generators of ``random``, NumPy and torch (all devices) from :func:`stable_seed`."""
    set_random_seed(stable_seed(*parts))


def set_random_seed(seed: int) -> None:
    """What ``mmseg.apis.set_random_seed`` does; importing that one draws in matplotlib."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


class SampleGenerators(Sequence[torch.Generator]):
    """The per-image generators of one iteration, made when they are first asked for; any batch size.

    Where several streams (targets) are joined, ``batch_size`` images of each one after another, image i of stream k
    has a generator of its own, so that ranks share the work of any number of streams in the same way.
    """

    def __init__(self, seed: int, iteration: int, first_sample: int, batch_size: Optional[int] = None) -> None:
        self._key = (seed, iteration, first_sample)
        self._batch_size = batch_size
        self._made: dict[int, torch.Generator] = {}

    def __getitem__(self, index: int) -> torch.Generator:  # type: ignore[override]
        if index < 0:
            raise IndexError('per-image generators are addressed from 0')
        if index not in self._made:
            seed, iteration, first = self._key
            stream, row = divmod(index, self._batch_size) if self._batch_size else (0, index)
            self._made[index] = torch_generator(seed, 'sample', iteration, first + row, *([stream] if stream else []))
        return self._made[index]

    def __len__(self) -> int:
        return len(self._made)

    def __iter__(self) -> Iterator[torch.Generator]:
        raise TypeError('iterate over range(batch size) and index: the number of images is not known here')


class StepRng:
    """Random generators of one training iteration.

    Args:
        seed: base seed of the run.
        iteration: 0-based iteration.
        rank: rank of this process.
        batch_size: images per rank and stream; None on a single rank that joins no streams.
    """

    def __init__(self, seed: int, iteration: int, rank: int = 0, batch_size: Optional[int] = None) -> None:
        self.seed = seed
        self.iteration = iteration
        self.shared = torch_generator(seed, 'shared', iteration)
        self.samples = SampleGenerators(seed, iteration, rank * (batch_size or 1), batch_size)

    def numpy(self, *parts: object) -> np.random.Generator:
        """A NumPy generator for this iteration, equal on all ranks, named by ``parts``."""
        return numpy_generator(self.seed, 'numpy', self.iteration, *parts)


def rand_per_sample(generators: Sequence[torch.Generator], batch: int, *shape: int) -> torch.Tensor:
    """Uniform [0, 1) draws, one generator per image: float32 (batch, *shape) on the CPU."""
    return torch.stack([torch.rand(shape, generator=generators[i]) for i in range(batch)])

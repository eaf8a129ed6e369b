"""Freed memory is used again instead of being taken from the kernel anew."""

from __future__ import annotations

import os
import platform
import subprocess
import sys

FAULTS = """
import resource
import torch
from mmseg_uda.utils.freed_memory import keep_freed_memory

kept = keep_freed_memory()
faults = []
for _ in range(10):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(16_000_000)  # 64 MB
    faults.append(resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before)
print(kept, faults[0], sum(faults))
"""


def _faults(**environment: str) -> tuple[bool, int, int]:
    """(whether memory is kept, page faults of the first tensor, those of ten tensors)."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(('MALLOC_', 'GLIBC_'))}
    done = subprocess.run(
        [sys.executable, '-c', FAULTS], capture_output=True, text=True, check=True, env={**kept, **environment}
    )
    answer, first, all_of_them = done.stdout.split()
    return answer == 'True', int(first), int(all_of_them)


def test_a_freed_tensor_is_the_memory_of_the_next_one() -> None:
    kept, first, all_of_them = _faults()
    is_glibc = platform.libc_ver()[0] == 'glibc'
    assert kept == is_glibc
    assert not kept or all_of_them < 5 * first  # a few, until a free block fits with its alignment; without it, 10


def test_what_the_user_says_of_memory_stays() -> None:
    assert not _faults(MALLOC_ARENA_MAX='2')[0]

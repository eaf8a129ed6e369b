"""What a CPU run frees stays with the process.

A training step allocates and frees the same large tensors again and again. glibc takes blocks above a threshold from
the kernel and returns them at once, and the kernel must clear every page anew: 5 to 8 % of the processor time of a
small training step, more of an evaluated image.
"""

from __future__ import annotations

import ctypes
import os

#: glibc's malloc.h
_TRIM_THRESHOLD, _MMAP_MAX = -1, -4
#: largest value of an option: nothing is returned before that much is free at the end of the heap
_LARGEST = 2**31 - 1


def keep_freed_memory() -> bool:
    """Let the C library keep freed blocks for the next allocation; processes that are forked do the same.

    Returns:
        Whether it does: not where the C library is another one, nor where the user's environment says how memory is
        to be kept (``MALLOC_...``).
    """
    if any(name.startswith(('MALLOC_', 'GLIBC_TUNABLES')) for name in os.environ):
        return False
    try:
        is_glibc = os.confstr('CS_GNU_LIBC_VERSION') is not None
        change = ctypes.CDLL(None).mallopt
    except (AttributeError, OSError, TypeError, ValueError):  # another C library, or another system
        return False
    return bool(is_glibc and change(_MMAP_MAX, 0) and change(_TRIM_THRESHOLD, _LARGEST))

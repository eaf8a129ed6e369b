"""Progress bars with an estimate of the time left."""

from __future__ import annotations

import sys
from typing import Iterable, Iterator, Optional, TypeVar

from tqdm import tqdm

Item = TypeVar('Item')


def progress(items: Iterable[Item], what: str, total: Optional[int] = None, quiet: bool = False) -> Iterator[Item]:
    """Iterate with a bar on stderr: redrawn in a terminal, a line every 30 s in a log file.

    Args:
        items: what to iterate.
        what: short description.
        total: number of items when ``items`` has no length.
        quiet: no bar.
    """
    yield from tqdm(
        items, desc=what, total=total, disable=quiet, mininterval=0.2 if sys.stderr.isatty() else 30, dynamic_ncols=True
    )

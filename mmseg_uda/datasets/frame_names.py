"""Which frame comes before which, and what the flow between two frames is called."""

from __future__ import annotations

import re
from typing import Optional, Sequence

_NUMBER = re.compile(r'(\d+)(?!.*\d)')
_DIGITS = re.compile(r'(\d+)')


class FrameRule:
    """The order of the frames of a data set. Names are stems: paths below the image folder without suffix.

    Here a name ends in its frame number, zero-padded, and the frame before has the number before.

    Attributes:
        complete: a frame that the rule names must exist (the download holds all frames); otherwise the first frame of
            a sequence stands in for its predecessor.
    """

    complete = True

    def earlier(self, stem: str, back: int) -> Optional[str]:
        """The frame ``back`` steps before, or None at the start of a sequence."""
        prefix, number, rest = self.split(stem)
        wanted = int(number) - back
        return None if wanted < 0 else f'{prefix}{wanted:0{len(number)}d}{rest}'

    def split(self, stem: str) -> tuple[str, str, str]:
        """What stands before, in and behind the frame number.

        Raises:
            ValueError: no number.
        """
        found = _NUMBER.search(stem)
        if found is None:
            raise ValueError(f"the frame '{stem}' has no number: its place in a video is unknown")
        return stem[: found.start()], found.group(), stem[found.end() :]

    def flow_name(self, stem: str, start: int, end: int) -> str:
        """File name (below the flow folder) of the flow from the frame ``start`` steps back to the one ``end`` back."""
        current, earlier = self.earlier(stem, start) or stem, self.earlier(stem, end) or stem
        return f'{current}_{earlier.rsplit("/", 1)[-1]}_int16_x10.npy'


class CityscapesRule(FrameRule):
    """``<city>/<city>_<sequence>_<frame>``; flows lie in one folder."""

    def flow_name(self, stem: str, start: int, end: int) -> str:
        """``<city>_<sequence>_<frame>_<earlier frame>_int16_x10.npy``."""
        prefix, number, _ = self.split(stem.rsplit('/', 1)[-1])
        digits = len(number)
        return f'{prefix}{int(number) - start:0{digits}d}_{int(number) - end:0{digits}d}_int16_x10.npy'


class ViperRule(FrameRule):
    """``<sequence>/<sequence>_<frame>``; flows lie in one folder."""

    def flow_name(self, stem: str, start: int, end: int) -> str:
        """``<sequence>_<frame><earlier frame>_int16_x10.npy``."""
        prefix, number, _ = self.split(stem.rsplit('/', 1)[-1])
        digits = len(number)
        return f'{prefix}{int(number) - start:0{digits}d}{int(number) - end:0{digits}d}_int16_x10.npy'


class SynthiaRule(FrameRule):
    """``<frame>``; flows lie in one folder."""

    def flow_name(self, stem: str, start: int, end: int) -> str:
        """``<frame>_int16_x10.npy`` to the frame before; to others their number is added."""
        number = self.split(stem.rsplit('/', 1)[-1])[1]
        current, earlier = (f'{int(number) - back:0{len(number)}d}' for back in (start, end))
        return f'{current}_int16_x10.npy' if end - start == 1 else f'{current}_{earlier}_int16_x10.npy'


class ListRule(FrameRule):
    """Frames in the order of their names, folder by folder, whatever their numbers.

    Args:
        stems: all frames.
        gaps: differences of frame numbers that count as one step; None = any. Others begin a new sequence.
        tolerance: of a gap.
    """

    complete = False

    def __init__(self, stems: Sequence[str], gaps: Optional[Sequence[int]] = None, tolerance: int = 0) -> None:
        self.gaps = None if gaps is None else tuple(gaps)
        self.tolerance = tolerance
        self._before: dict[str, Optional[str]] = {}
        last: Optional[str] = None
        for stem in sorted(stems, key=natural):
            joined = last is not None and self._follows(last, stem)
            self._before[stem] = last if joined else None
            last = stem

    def _follows(self, last: str, stem: str) -> bool:
        if last.rpartition('/')[0] != stem.rpartition('/')[0]:
            return False
        if self.gaps is None:
            return True
        (prefix, number, _), (before, earlier, _) = self.split(stem), self.split(last)
        step = int(number) - int(earlier)
        return prefix == before and any(abs(step - gap) <= self.tolerance for gap in self.gaps)

    def earlier(self, stem: str, back: int) -> Optional[str]:
        """See the base class; None also for a frame that is not in the list."""
        current: Optional[str] = stem
        for _ in range(back):
            current = None if current is None else self._before.get(current)
        return current


def natural(stem: str) -> list[object]:
    """Sorting key: numbers inside names count as numbers."""
    return [int(part) if part.isdigit() else part for part in _DIGITS.split(stem)]

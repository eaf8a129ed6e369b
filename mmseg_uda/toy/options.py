"""What decides the content of a toy data set."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class WorldOptions:
    """What decides the content of a toy data set.

    Attributes:
        width, height: of the pictures in pixels; the edge of square ones (aerial, medical) is the height.
        seed: other seeds draw other scenes.
        gap: 1 = the appearances as they are; towards 0 every street data set's colours and light approach those of
            the rendered game.
        scale: factor on the number of pictures.
    """

    width: int = 256
    height: int = 128
    seed: int = 0
    gap: float = 1.0
    scale: float = 1.0

    def __post_init__(self) -> None:
        if self.width < 32 or self.height < 32:
            raise ValueError(f'toy pictures need at least 32 x 32 pixels, got {self.width} x {self.height}')
        if not 0 <= self.gap <= 2:
            raise ValueError(f'gap must lie in [0, 2], got {self.gap}')
        if self.scale <= 0:
            raise ValueError(f'scale must be positive, got {self.scale}')

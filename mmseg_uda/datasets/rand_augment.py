"""RandAugment with CutOut as FixMatch's PyTorch port and CoaST (arXiv 2210.01578) have it, and the same moves for
label maps.

Two of fourteen operations are drawn with a strength, each is applied with probability 1/2; a square is cut out
always. Geometric operations move the pseudo-label too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Callable, Mapping, Sequence

import numpy as np
import torch
from mmseg.datasets.builder import PIPELINES
from PIL import Image, ImageEnhance, ImageOps

from ..ops.label_warp import GEOMETRIC_OPS, NOT_APPLIED, harden, warp_label
from ..ops.labels import IGNORE
from .soft_labels import SOFT_LABEL

GREY = 127
#: label maps of official mode have a quarter of the image's size
OFFICIAL_SCALE = 4
LABEL = 'gt_semantic_seg'
#: matrices (a, b, c, d, e, f) of output(x, y) = input(ax + by + c, dx + ey + f)
_AFFINE: dict[str, Callable[[float], tuple[float, ...]]] = {
    'ShearX': lambda s: (1, s, 0, 0, 1, 0),
    'ShearY': lambda s: (1, 0, 0, s, 1, 0),
    'TranslateX': lambda t: (1, 0, t, 0, 1, 0),
    'TranslateY': lambda t: (1, 0, 0, 0, 1, t),
}
_ENHANCERS = {
    'Brightness': ImageEnhance.Brightness,
    'Color': ImageEnhance.Color,
    'Contrast': ImageEnhance.Contrast,
    'Sharpness': ImageEnhance.Sharpness,
}
_PHOTOMETRIC: dict[str, Callable[[Image.Image, float], Image.Image]] = {
    'AutoContrast': lambda img, _: ImageOps.autocontrast(img),
    'Equalize': lambda img, _: ImageOps.equalize(img),
    'Identity': lambda img, _: img,
    'Posterize': lambda img, bits: ImageOps.posterize(img, int(bits)),
    'Solarize': lambda img, threshold: ImageOps.solarize(img, int(threshold)),
    **{
        name: lambda img, factor, enhancer=enhancer: enhancer(img).enhance(factor)  # type: ignore[misc]
        for name, enhancer in _ENHANCERS.items()
    },
}
OPERATIONS = (*_PHOTOMETRIC, *GEOMETRIC_OPS)
STRENGTHS = 10


@dataclass(frozen=True)
class Operation:
    """One drawn operation.

    Attributes:
        name: one of :data:`OPERATIONS`.
        strength: 1 .. 9.
        applied: whether the coin decided for it.
        negate: sign of a geometric operation.
    """

    name: str
    strength: int
    applied: bool = True
    negate: bool = False

    def value(self, width: int, height: int) -> float:
        """The parameter: a factor, bits, a threshold, degrees, a slope or whole pixels; 0 where there is none."""
        v = float(self.strength)
        sign = -1 if self.negate else 1
        if self.name in _ENHANCERS:
            return v * 0.9 / STRENGTHS + 0.05
        if self.name == 'Posterize':
            return int(v * 4 / STRENGTHS) + 4
        if self.name == 'Solarize':
            return 256 - int(v * 256 / STRENGTHS)
        if self.name == 'Rotate':
            return sign * int(v * 30 / STRENGTHS)
        if self.name.startswith('Shear'):
            return sign * v * 0.3 / STRENGTHS
        if self.name.startswith('Translate'):
            return int(sign * (v * 0.3 / STRENGTHS) * (width if self.name == 'TranslateX' else height))
        return 0.0


@dataclass(frozen=True)
class Draws:
    """All random decisions about one image.

    Attributes:
        flip: horizontal flip.
        operations: in the order in which they are drawn.
        centre: (x, y) of the square in pixels.
    """

    flip: bool
    operations: tuple[Operation, ...]
    centre: tuple[float, float]


def draw(rng: Any, width: int, height: int, number: int = 2) -> Draws:
    """Draw with ``rng``: NumPy's ``Generator``, or the module ``numpy.random`` inside a pipeline."""
    integers = rng.integers if hasattr(rng, 'integers') else rng.randint
    flip = bool(rng.random() < 0.5)
    operations = []
    for name in [OPERATIONS[int(integers(0, len(OPERATIONS)))] for _ in range(number)]:
        strength = int(integers(1, STRENGTHS))
        operations.append(Operation(name, strength, bool(rng.random() < 0.5), bool(rng.random() < 0.5)))
    return Draws(flip, tuple(operations), (float(rng.uniform(0, width)), float(rng.uniform(0, height))))


def cut_box(centre: Sequence[float], width: int, height: int) -> tuple[int, int, int, int]:
    """The square of CutOut: x0, y0, x1, y1; its side is a third of the image's shorter side."""
    side = min(width, height) // 3
    x0, y0 = (int(max(0, c - side / 2)) for c in centre)
    return x0, y0, int(min(width, x0 + side)), int(min(height, y0 + side))


def apply_operation(
    img: Image.Image, operation: Operation, fill: Any = (GREY, GREY, GREY), resample: int = Image.Resampling.BILINEAR
) -> Image.Image:
    """An RGB image, or, with another filling and interpolation, a label map, after one operation."""
    value = operation.value(*img.size)
    if operation.name == 'Rotate':
        return img.rotate(value, resample=Image.Resampling(resample), fillcolor=fill)
    if operation.name in _AFFINE:
        return img.transform(
            img.size, Image.Transform.AFFINE, _AFFINE[operation.name](value), resample=resample, fillcolor=fill
        )
    return _PHOTOMETRIC[operation.name](img, value)


def augment_image(img: np.ndarray, draws: Draws) -> np.ndarray:
    """A uint8 RGB image (H, W, 3): flip, operations, a grey square whose last row and column are grey too."""
    picture = Image.fromarray(np.ascontiguousarray(img[:, ::-1] if draws.flip else img))
    for operation in draws.operations:
        if operation.applied:
            picture = apply_operation(picture, operation)
    out = np.array(picture)
    x0, y0, x1, y1 = cut_box(draws.centre, *picture.size)
    out[y0 : y1 + 1, x0 : x1 + 1] = GREY
    return out


def augment_label(label: np.ndarray, draws: Draws, fill: int = IGNORE) -> np.ndarray:
    """A uint8 map (H, W) moved exactly as :func:`augment_image` moves the image; ``fill`` outside and in the square."""
    picture = Image.fromarray(np.ascontiguousarray(label[:, ::-1] if draws.flip else label))
    for operation in draws.operations:
        if operation.applied and operation.name in GEOMETRIC_OPS:
            picture = apply_operation(picture, operation, fill, Image.Resampling.NEAREST)
    out = np.array(picture)
    x0, y0, x1, y1 = cut_box(draws.centre, *picture.size)
    out[y0 : y1 + 1, x0 : x1 + 1] = fill
    return out


def recorded_parameters(
    draws: Draws, width: int, height: int
) -> tuple[torch.Tensor, dict[str, torch.Tensor], torch.Tensor]:
    """What the released code keeps of the draws, as :func:`~mmseg_uda.ops.label_warp.warp_label` takes it, for a
    batch of one.

    Of a geometric operation that is applied twice only the last parameter is kept, and their order is lost.
    """
    values = dict.fromkeys(GEOMETRIC_OPS, NOT_APPLIED)
    values.update(
        {op.name: op.value(width, height) for op in draws.operations if op.applied and op.name in GEOMETRIC_OPS}
    )
    params = {name: torch.tensor([value], dtype=torch.float64) for name, value in values.items()}
    return torch.tensor([int(draws.flip)]), params, torch.tensor(cut_box(draws.centre, width, height))[:, None]


@PIPELINES.register_module()
class StrongAugment:
    """Flip, RandAugment and CutOut of a target image with its pseudo-label; comes after crop and flip, before
    ``Normalize``.

    A soft label (``soft_label``, see :class:`~mmseg_uda.datasets.soft_labels.LoadSoftLabels`) becomes a hard one here.

    Args:
        number: operations that are drawn.
        label_mode: ``exact`` moves the label map as the image is moved. ``official`` does it as the released code: at
            a quarter of the size, in a fixed order, an operation at most once, horizontal translations twice too far
            in a 2:1 image. The label map then consists of blocks of 4x4 pixels.
        threshold: confidence below which a pixel of a soft label is ignored; negative keeps all.
    """

    def __init__(self, number: int = 2, label_mode: str = 'exact', threshold: float = -1.0) -> None:
        if label_mode not in ('exact', 'official'):
            raise ValueError(f"label_mode of StrongAugment must be exact or official, got '{label_mode}'")
        self.number = number
        self.label_mode = label_mode
        self.threshold = threshold

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        img = results['img']
        if img.ndim != 3 or img.shape[2] != 3 or img.dtype != np.uint8:
            raise ValueError(
                f'StrongAugment changes the colours of 8-bit images of 3 channels, but {results.get("filename")} is '
                f'{img.dtype} of shape {img.shape}: take strong=... out of the pipeline'
            )
        height, width = img.shape[:2]
        draws = draw(np.random, width, height, self.number)
        if self.label_mode == 'official':
            self._official_label(results, draws)
        else:
            if SOFT_LABEL in results:
                results[LABEL] = self._hardened(results, 1.0)
            for key in self._maps(results):
                results[key] = augment_label(results[key], draws, 0 if key == 'valid_pseudo_mask' else IGNORE)
        results['img'] = np.ascontiguousarray(augment_image(results['img'][..., ::-1], draws)[..., ::-1])
        return results

    def _maps(self, results: dict[str, Any]) -> list[str]:
        """Keys of the hard maps; soft labels are done with."""
        if SOFT_LABEL in results:
            del results[SOFT_LABEL]
            results['seg_fields'] = [key for key in results['seg_fields'] if key != SOFT_LABEL] + [LABEL]
        return list(results.get('seg_fields', []))

    def _hardened(self, results: Mapping[str, Any], scale: float) -> np.ndarray:
        soft = torch.from_numpy(np.ascontiguousarray(results[SOFT_LABEL])).permute(2, 0, 1)[None]
        return harden(soft, self.threshold, scale)[0, 0].numpy().astype(np.uint8)

    def _official_label(self, results: dict[str, Any], draws: Draws) -> None:
        height, width = results['img'].shape[:2]
        if height % OFFICIAL_SCALE or width % OFFICIAL_SCALE:
            raise ValueError(
                f"label_mode='official' works at a quarter of the size: crops of {height}x{width} must be "
                'divisible by 4'
            )
        small = {LABEL: self._hardened(results, 1 / OFFICIAL_SCALE)} if SOFT_LABEL in results else {}
        for key in self._maps(results):
            values = small[key] if key in small else results[key][::OFFICIAL_SCALE, ::OFFICIAL_SCALE]
            moved = warp_label(
                torch.from_numpy(np.ascontiguousarray(values))[None, None].long(),
                *recorded_parameters(draws, width, height),
                scale=OFFICIAL_SCALE,
                ignore=0 if key == 'valid_pseudo_mask' else IGNORE,
            )[0, 0]
            results[key] = np.kron(moved.numpy(), np.ones((OFFICIAL_SCALE, OFFICIAL_SCALE))).astype(np.uint8)

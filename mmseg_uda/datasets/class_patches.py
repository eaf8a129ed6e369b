"""Source patches of chosen classes, read by the data workers (the online patches of QuadMix, arXiv 2311.13254)."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, Union

import numpy as np
import torch
from mmcv.parallel import DataContainer
from mmseg.datasets.custom import CustomDataset
from PIL import Image
from torch import Tensor

from ..ops.quadmix import Overlay, Patches, accept_patch, merge_patches
from ..ops.rcs import rcs_class_probs, samples_with_class
from ..utils.rng import numpy_generator
from .labels import CorruptFileError
from .pipelines import LoadImage, LoadLabels
from .rare_classes import stream_records
from .stream_source import StreamSource

Pool = Union[str, Sequence[Union[int, str]]]


class ClassPatches:
    """Adds to every sample of a stream the pixels of a few drawn classes, cut from other files of that stream.

    For each class a file that holds it is drawn, resized to exactly ``scale``, and cropped at random (no flip). The
    crop counts when it shows more than ``min_pixels`` pixels of the class; otherwise another file is drawn. The
    patches of one pass are merged into one image and one label map.

    Args:
        stream: the labelled stream; all its data sets need label files. Which files hold which class is counted once
            and stored.
        scale: (width, height) to which files are resized, aspect ratio ignored.
        pool: classes to draw from, train ids or names; a class listed twice is drawn twice as often. ``auto`` takes
            the ``auto_classes`` rarest ones.
        auto_classes: size of the pool ``auto``.
        num: entries of the pool drawn without replacement.
        min_pixels: see above; 50 or 10 at 1024x1024 in the released code.
        min_pixels_of: another number for some classes, by name (released on VIPER: ``dict(bicycle=100)``).
        max_tries: files tried before a patch is left out.
        passes: sets of patches per sample, of the same classes: one for each mixed pass, or 1 to share them.
        images_per_draw: so many successive images of the global batch get the same classes: 1, or the size of the
            global batch as in the released code.
        crop_size: (height, width); None = that of the stream's pipeline.
        min_file_pixels: a file is a candidate for a class when it holds more pixels of it than this, at native
            resolution.
        workers: processes that count the classes when no statistics are stored.
        cut_bottom: share of the resized height below that is never used (SYNTHIA-Seq: 120 / 760).
        ascending: patches are pasted in the order of their class ids.
        counts: also bring ``class_patch_counts`` uint8 (passes, H, W): how many patches lie on a pixel.
        interpolation: of resized images: ``bilinear``, or ``bicubic`` (released video code).

    Raises:
        ValueError: a class of the pool that no file holds, or a scale below the crop size.
    """

    def __init__(
        self,
        stream: StreamSource,
        scale: Sequence[int],
        pool: Pool = 'auto',
        num: int = 2,
        min_pixels: int = 50,
        max_tries: int = 20,
        passes: int = 2,
        images_per_draw: int = 1,
        crop_size: Optional[Sequence[int]] = None,
        min_file_pixels: int = 0,
        auto_classes: int = 9,
        workers: int = 4,
        cut_bottom: float = 0.0,
        ascending: bool = False,
        counts: bool = False,
        min_pixels_of: Optional[Mapping[str, int]] = None,
        interpolation: str = 'bilinear',
    ) -> None:
        if min(num, max_tries, passes, images_per_draw) < 1 or min(min_pixels, min_file_pixels) < 0:
            raise ValueError(
                'class_patches: num, max_tries, passes, images_per_draw must be at least 1, min_pixels and '
                'min_file_pixels at least 0'
            )
        if not 0 <= cut_bottom < 1:
            raise ValueError(f'class_patches.cut_bottom must lie in [0, 1), got {cut_bottom}')
        if interpolation not in ('bilinear', 'bicubic'):
            raise ValueError(f"class_patches.interpolation must be bilinear or bicubic, got '{interpolation}'")
        self.interpolation = Image.Resampling[interpolation.upper()]
        self.stream = stream
        self.scale = (int(scale[0]), int(scale[1]))
        self.height = self.scale[1] - round(self.scale[1] * cut_bottom)
        self.ascending, self.counts = ascending, counts
        self.num, self.min_pixels, self.max_tries, self.passes, self.images_per_draw = (
            num,
            min_pixels,
            max_tries,
            passes,
            images_per_draw,
        )
        self.crop_size = tuple(crop_size) if crop_size is not None else crop_size_of(stream.first)
        if self.scale[0] < self.crop_size[1] or self.height < self.crop_size[0]:
            raise ValueError(
                f'class_patches.scale={self.scale} (width, height) is smaller than the crop of {self.crop_size} '
                '(height, width)'
            )
        for part in stream.parts:
            steps = getattr(getattr(part, 'pipeline', None), 'transforms', [])
            if any(getattr(step, 'color_type', 'color') != 'color' for step in steps):
                raise ValueError(
                    'class_patches (QuadMix) cuts patches from 8-bit images of 3 bands (channels), but the pipeline of '
                    f"the {stream.name} reads others (color_type of LoadImageFromFile): take 'class_patches' out"
                )
        records = stream_records(stream, workers)
        self.pool = (
            self._auto_pool(records, auto_classes) if pool == 'auto' else [self._class_id(entry) for entry in pool]
        )
        found = samples_with_class(records, set(self.pool), min_file_pixels)
        self.min_pixels_of = {self._class_id(name): int(count) for name, count in (min_pixels_of or {}).items()}
        absent = [stream.first.CLASSES[cls] for cls in sorted(found) if not found[cls]]
        if absent or not self.pool:
            raise ValueError(
                f'class_patches.pool: no file of the {stream.name} stream has more than '
                f'min_file_pixels={min_file_pixels} pixels of '
                f'{", ".join(absent) or "any class"}. Take such classes out of the pool.'
            )
        self.files = {cls: [int(index) for index in files] for cls, files in found.items()}
        self._load_image, self._load_labels = LoadImage(), LoadLabels()

    def _class_id(self, entry: Union[int, str]) -> int:
        names = list(self.stream.first.CLASSES)
        if isinstance(entry, str) and entry in names:
            return names.index(entry)
        if isinstance(entry, int) and 0 <= entry < len(names):
            return entry
        raise ValueError(
            f"class_patches.pool: '{entry}' is none of the classes 0 to {len(names) - 1} ({', '.join(names)})"
        )

    @staticmethod
    def _auto_pool(records: Sequence[Any], size: int) -> list[int]:
        classes, probs = rcs_class_probs([counts for _, counts in records], 0.1)
        return sorted(classes[i] for i in np.argsort(-probs, kind='stable')[:size])

    def sample(self, position: int) -> dict[str, Any]:
        """Keys for the sample at a position of the global batch sequence, a pure function of (seed, position).

        Returns:
            ``class_patches`` uint8 BGR (passes, 3, H, W), ``class_patch_labels`` uint8 (passes, H, W) with 255 where
            nothing is pasted, and ``class_patches_missing``, how many were not found.
        """
        classes = self.classes_at(position)
        overlays, missing, counts = [], 0, []
        for number in range(self.passes):
            patches = [self._find(cls, (position, number, k)) for k, cls in enumerate(classes)]
            missing += sum(patch is None for patch in patches)
            overlays.append(self._merged(classes, patches))
            counts.append(self._count(classes, patches))
        extra = dict(class_patch_counts=DataContainer(torch.stack(counts), stack=True)) if self.counts else {}
        return dict(
            **extra,
            class_patches=DataContainer(torch.cat([overlay.img for overlay in overlays]), stack=True),
            class_patch_labels=DataContainer(torch.cat([overlay.label for overlay in overlays]), stack=True),
            class_patches_missing=torch.tensor(missing),
        )

    def classes_at(self, position: int) -> list[int]:
        """The classes of a position, in pasting order."""
        rng = numpy_generator(self.stream.seed, self.stream.name, 'patch classes', position // self.images_per_draw)
        drawn = [self.pool[i] for i in rng.permutation(len(self.pool))[: self.num]]
        return sorted(drawn) if self.ascending else drawn

    def _count(self, classes: Sequence[int], patches: Sequence[Optional[tuple[Tensor, Tensor]]]) -> Tensor:
        """How many patches lie on a pixel, uint8 (H, W)."""
        count = torch.zeros(self.crop_size, dtype=torch.uint8)
        for cls, patch in zip(classes, patches):
            if patch is not None:
                count += (patch[1] == cls).to(torch.uint8)
        return count

    def _merged(self, classes: Sequence[int], patches: Sequence[Optional[tuple[Tensor, Tensor]]]) -> Overlay:
        img, label = (
            torch.zeros((3, *self.crop_size), dtype=torch.uint8),
            torch.full(self.crop_size, 255, dtype=torch.uint8),
        )
        filled = [patch or (img, label) for patch in patches]
        images, labels = (torch.stack(values)[None] for values in zip(*filled))
        return merge_patches(Patches(images, labels, torch.tensor([list(classes)])))

    def _find(self, cls: int, key: tuple[int, ...]) -> Optional[tuple[Tensor, Tensor]]:
        """A crop that shows enough of a class: image (3, H, W) and label (H, W); the image is decoded once the label
        is accepted."""
        rng = numpy_generator(self.stream.seed, self.stream.name, 'patch', *key)
        for _ in range(self.max_tries):
            index = self.files[cls][int(rng.integers(len(self.files[cls])))]
            full = (self.scale[0], self.height)
            left, top = (int(rng.integers(side - cut + 1)) for side, cut in zip(full, self.crop_size[::-1]))
            window = (slice(top, top + self.crop_size[0]), slice(left, left + self.crop_size[1]))
            try:
                dataset, results = self.stream.results(index)
                label = resized(self._read_label(dataset, results), self.scale, Image.Resampling.NEAREST)[window]
                if not accept_patch(torch.from_numpy(label), cls, self.min_pixels_of.get(cls, self.min_pixels)):
                    continue
                img = resized(self._load_image(results)['img'], self.scale, self.interpolation)[window]
            except CorruptFileError as error:
                self.stream.count_corrupt(error)
                continue
            return torch.from_numpy(np.ascontiguousarray(img.transpose(2, 0, 1))), torch.from_numpy(
                np.ascontiguousarray(label)
            )
        return None

    def _read_label(self, dataset: Any, results: dict[str, Any]) -> np.ndarray:
        if not isinstance(dataset, CustomDataset):
            raise ValueError(f'class_patches needs data sets of image and label files, got {type(dataset).__name__}')
        return self._load_labels(results)['gt_semantic_seg']


def resized(values: np.ndarray, scale: Sequence[int], method: Any) -> np.ndarray:
    """An image or label map (H, W[, 3]) at exactly ``scale`` = (width, height), with one of Pillow's filters."""
    return np.array(Image.fromarray(values).resize((scale[0], scale[1]), method))


def crop_size_of(dataset: Any) -> tuple[int, int]:
    """(height, width) of the random crop in a data set's pipeline.

    Raises:
        ValueError: the pipeline crops nothing.
    """
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
    found = [step.crop_size for step in steps if hasattr(step, 'crop_size')]
    if not found:
        raise ValueError(
            'class_patches: the pipeline of the source has no random crop; set class_patches.crop_size=(height, width)'
        )
    return int(found[-1][0]), int(found[-1][1])

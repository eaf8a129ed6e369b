"""Predicting with a trained network from Python: ``mmseg_uda.load(...).predict(...)``.

``tools/predict.py`` is this module with a command line.
"""

from __future__ import annotations

import contextlib
import functools
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional, Sequence, Union

import numpy as np
import torch
from mmcv import ConfigDict
from mmcv.parallel import collate
from mmseg.datasets.pipelines import Compose
from mmseg.models.segmentors import EncoderDecoder
from torch import nn

from ..datasets.labels import CorruptFileError, picture_of, read_picture
from ..datasets.pipeline_config import resolve_pipeline, with_test_augmentation
from ..models.heads import class_probabilities
from ..utils.config import nearest
from ..utils.threads import ahead
from .data import to_device
from .inference import inference_mode
from .predict_inputs import Item, find_images, frame_items, image_item
from .predictions import blended
from .video_frames import VIDEO_SUFFIXES, frames_of_input

#: gets an image that cannot be read and the error
Skip = Callable[[str, Exception], None]


@dataclass(frozen=True)
class Options:
    """How a network is asked.

    Attributes:
        probabilities: also the class probabilities.
        windows: None = as the config tests; ``'whole'`` image; or sliding windows ``(crop, stride)``, each a number of
            pixels or (height, width).
        tta: mean over views: True = MMSegmentation's six sizes, mirrored; or ``dict(ratios=[...], flip=True)``.
        batch_size: consecutive images of one size go through the network together.
        precision: ``fp32``, ``bf16`` or ``fp16`` (autocast).
        windows_per_batch: sliding windows in one forward pass.
    """

    probabilities: bool = False
    windows: Any = None
    tta: Union[None, bool, Mapping[str, Any]] = None
    batch_size: int = 1
    precision: str = 'fp32'
    windows_per_batch: int = 8

    def __post_init__(self) -> None:
        if self.batch_size < 1 or self.windows_per_batch < 1:
            raise ValueError('batch_size and windows_per_batch are at least 1')
        if self.precision not in ('fp32', 'bf16', 'fp16'):
            raise ValueError(f"precision must be 'fp32', 'bf16' or 'fp16', got '{self.precision}'")


@dataclass
class Prediction:
    """What a network says about an image.

    Attributes:
        name: file, or ``image <number>`` of an array.
        mask: class ids (H, W) uint8, at the size of the image.
        probabilities: (classes, H, W) float32 where they were asked for; their largest is the mask.
        palette: RGB of each class.
    """

    name: str
    mask: np.ndarray
    probabilities: Optional[np.ndarray]
    palette: Sequence[Sequence[int]]
    picture: Union[Path, np.ndarray] = field(repr=False)

    @property
    def overlay(self) -> np.ndarray:
        """The colours of the classes over the image, half and half: uint8 BGR (H, W, 3)."""
        return self.blended(0.5)

    def blended(self, opacity: float) -> np.ndarray:
        """As :attr:`overlay`, with another opacity of the colours."""
        picture = self.picture
        image = read_picture(picture) if isinstance(picture, Path) else picture_of(picture)
        return blended(image, self.mask, self.palette, opacity)


class Predictor:
    """A network with the transforms of its tests.

    Args:
        model: a method of this package or a segmentor, on ``device``.
        steps: test transforms, see :func:`~mmseg_uda.engine.predict_inputs.test_steps`.
        classes: names of the classes; palette: RGB of each.
    """

    def __init__(
        self,
        model: nn.Module,
        steps: Sequence[Any],
        device: torch.device,
        classes: Optional[Sequence[str]] = None,
        palette: Optional[Sequence[Sequence[int]]] = None,
    ) -> None:
        self.model = model
        self.steps = list(steps)
        self.device = device
        self.classes = classes
        self.palette: Sequence[Sequence[int]] = () if palette is None else palette
        self.of_clips = any(isinstance(step, Mapping) and step.get('type') == 'LoadClip' for step in self.steps)
        self._pipeline = functools.lru_cache(maxsize=4)(self._composed)

    def predict(self, source: Any, **options: Any) -> Union[Prediction, Iterator[Prediction]]:
        """Segment an image, several images, a folder, or a video.

        Args:
            source: an image file; an array (H, W) or (H, W, C) as OpenCV reads it (BGR); a picture of Pillow; or a list
                of these; a folder (searched recursively; for a network of clips a folder of frames, in order); a video
                file.
            options: see :class:`Options`.

        Returns:
            A :class:`Prediction`; for a list, a folder or a video an iterator of them, which computes one batch at a
            time.

        Raises:
            FileNotFoundError, CorruptFileError, ValueError: of the input. TypeError: an option that does not exist.
        """
        asked = Options(**options)
        if isinstance(source, (str, Path)) and not Path(source).exists():
            raise FileNotFoundError(f"input '{source}' does not exist")
        if isinstance(source, (list, tuple)):
            self._refuse_lone_images()
            return self.run((image_item(image, i) for i, image in enumerate(source)), asked)
        if isinstance(source, (str, Path)) and (Path(source).is_dir() or Path(source).suffix.lower() in VIDEO_SUFFIXES):
            return self._of_path(Path(source), asked)
        self._refuse_lone_images()
        return next(self.run([image_item(source, 0)], asked))

    def _of_path(self, path: Path, asked: Options) -> Iterator[Prediction]:
        if path.is_dir() and not self.of_clips:
            return self.run((image_item(image, 0) for image, _ in find_images([str(path)])), asked)
        return self._of_video(path, asked)

    def _of_video(self, path: Path, asked: Options) -> Iterator[Prediction]:
        with tempfile.TemporaryDirectory() as folder:
            frames, _ = frames_of_input(path, Path(folder))
            for i, prediction in enumerate(self.run(frame_items(frames), asked)):
                if path.is_file():  # the files of its frames live as long as this loop
                    prediction.picture = read_picture(frames[i])
                    prediction.name = f'{path.name}, frame {i}'
                yield prediction

    def _refuse_lone_images(self) -> None:
        if self.of_clips:
            raise ValueError(
                'this network looks at a frame and the one before: give a video file or a folder of frames, in order'
            )

    def run(self, items: Iterable[Item], options: Options, skip: Optional[Skip] = None) -> Iterator[Prediction]:
        """Predict items one batch after another.

        Args:
            skip: called with the name of an image that cannot be read and the error; None raises it.
        """
        for samples in self._batches(items, options, skip):
            with inference_mode(self.model, self.device, options.precision, options.windows_per_batch):
                with test_windows(self.model, options.windows):
                    masks, probabilities = self._answer([sample for _, sample in samples], options.probabilities)
            for i, (item, _) in enumerate(samples):
                prob = None if probabilities is None else probabilities[i]
                yield Prediction(item.name, masks[i], prob, self.palette, item.picture)

    def _composed(self, tta: Any) -> Compose:
        return Compose(resolve_pipeline(self.steps if tta is None else with_test_augmentation(self.steps, *tta)))

    def _batches(
        self, items: Iterable[Item], options: Options, skip: Optional[Skip]
    ) -> Iterator[list[tuple[Item, dict[str, Any]]]]:
        pipeline = self._pipeline(_views(options.tta))
        batch: list[tuple[Item, dict[str, Any]]] = []

        def read(item: Item) -> Union[dict[str, Any], CorruptFileError, OSError]:
            try:
                return pipeline(dict(item.inputs))
            except (CorruptFileError, OSError) as error:
                return error

        for item, sample in ahead(read, items):
            if isinstance(sample, Exception):
                if skip is None:
                    raise sample
                skip(item.name, sample)
                continue
            if batch and (len(batch) == options.batch_size or _shapes(batch[0][1]) != _shapes(sample)):
                yield batch
                batch = []
            batch.append((item, sample))
        if batch:
            yield batch

    def _answer(
        self, samples: Sequence[dict[str, Any]], want_probabilities: bool
    ) -> tuple[list[np.ndarray], Optional[np.ndarray]]:
        """Masks (H, W) uint8 of images of one size and, if asked for, probabilities (B, C, H, W) float32."""
        images, metas = self._inputs(samples)
        if not want_probabilities:
            result = self.model(img=images, img_metas=metas, return_loss=False)
            return [np.asarray(mask).astype(np.uint8) for mask in result], None
        segmentor: Any = getattr(self.model, 'inference_model', self.model)
        views = [segmentor.inference(img, meta, True).float() for img, meta in zip(images, metas)]  # (B, C, H, W)
        found = class_probabilities(segmentor, torch.stack(views).mean(0))
        return list(found.argmax(1).cpu().numpy().astype(np.uint8)), found.cpu().numpy()

    def _inputs(self, samples: Sequence[dict[str, Any]]) -> tuple[list[torch.Tensor], list[Any]]:
        """Images (B, C, h, w) and meta data of every view."""
        batch = collate(list(samples), samples_per_gpu=len(samples))
        pairs = zip(*(value if isinstance(value, list) else [value] for value in (batch['img'], batch['img_metas'])))
        moved = [to_device({'img': img, 'img_metas': meta}, self.device) for img, meta in pairs]
        return [item['img'] for item in moved], [item['img_metas'] for item in moved]


def _views(tta: Any) -> Optional[tuple[Any, ...]]:
    """The arguments of :func:`with_test_augmentation` as a key of a cache."""
    if tta is None or tta is False:
        return None
    if tta is True:
        return ()
    unknown = sorted(set(tta) - {'ratios', 'flip'})
    if unknown:
        raise ValueError(f"tta takes ratios and flip, not '{unknown[0]}': {nearest(unknown[0], ('ratios', 'flip'))}")
    return tuple(tta.get('ratios', (1.0,))), bool(tta.get('flip', False))


def _shapes(sample: Mapping[str, Any]) -> list[Any]:
    """What has to be equal for samples to go through a network together."""
    metas = sample['img_metas'] if isinstance(sample['img_metas'], list) else [sample['img_metas']]
    keys = ('ori_shape', 'img_shape', 'pad_shape', 'flip', 'flip_direction')
    return [[meta.data.get(key) for key in keys] for meta in metas]


@contextlib.contextmanager
def test_windows(model: nn.Module, windows: Any) -> Iterator[None]:
    """Let the segmentors in ``model`` take windows other than their config says; see :class:`Options`."""
    segmentors = [module for module in model.modules() if isinstance(module, EncoderDecoder)]
    kept = [segmentor.test_cfg for segmentor in segmentors]
    try:
        for segmentor in segmentors if windows is not None else ():
            own = {
                key: value
                for key, value in (segmentor.test_cfg or {}).items()
                if windows != 'whole' or key != 'average'
            }
            segmentor.test_cfg = ConfigDict({**own, **_window_options(windows)})
        yield
    finally:
        for segmentor, cfg in zip(segmentors, kept):
            segmentor.test_cfg = cfg


def _window_options(windows: Any) -> dict[str, Any]:
    if windows == 'whole':
        return dict(mode='whole')
    try:
        crop, stride = ((side, side) if isinstance(side, int) else tuple(map(int, side)) for side in windows)
        valid = len(crop) == len(stride) == 2 and min(*crop, *stride) > 0
    except (TypeError, ValueError):
        valid = False
    if not valid:
        raise ValueError(f"windows is 'whole' or (crop, stride) in pixels, such as (512, 256), got {windows!r}")
    return dict(mode='slide', crop_size=crop, stride=stride)

"""What is predicted: images of any kind, frames of a sequence, and the transforms that a config tests with."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Iterable, Iterator, Mapping, Optional, Sequence, Union

import numpy as np

from ..datasets import image_files
from ..datasets.frame_names import ListRule
from ..datasets.image_files import IMAGE_SUFFIXES
from ..datasets.pipeline_config import flattened
from ..datasets.step_properties import property_of
from ..utils.config import nearest

#: an image: a file, an array as OpenCV reads it (BGR), or a picture of Pillow
ImageLike = Union[str, Path, np.ndarray, Any]


@dataclass(frozen=True)
class Item:
    """One image on its way through the pipeline: its name, what the first step reads, and where its picture is."""

    name: str
    inputs: Mapping[str, Any]
    picture: Union[Path, np.ndarray]


def image_item(image: ImageLike, number: int) -> Item:
    """An image of any kind; ``number`` names one without a file."""
    if isinstance(image, (str, Path)):
        return Item(str(image), dict(img_info=dict(filename=str(image)), img_prefix=None), Path(image))
    name = f'image {number}'
    array = image if isinstance(image, np.ndarray) else _of_pillow(image)
    return Item(name, dict(img_info=dict(filename=name), img_prefix=None, array=array), array)


def _of_pillow(image: Any) -> np.ndarray:
    if not hasattr(image, 'convert'):
        raise TypeError(
            f'an image is a file, a NumPy array (H, W, C) as OpenCV reads it, or a picture of Pillow, not a '
            f'{type(image).__name__}'
        )
    plain = image.mode in ('L', 'I;16')
    return np.asarray(image) if plain else np.ascontiguousarray(np.asarray(image.convert('RGB'))[..., ::-1])


def frame_items(frames: Sequence[Path]) -> Iterator[Item]:
    """The frames of a sequence, each of which knows the one before."""
    rule = ListRule([frame.stem for frame in frames])
    for path in frames:
        inputs = dict(
            img_info=dict(filename=path.name),
            img_prefix=str(path.parent),
            frame_rule=rule,
            frame_suffixes=(path.suffix,),
            seg_fields=[],
        )
        yield Item(str(path), inputs, path)


def find_images(inputs: Iterable[str]) -> list[tuple[Path, Path]]:
    """(image, its folder relative to the input) pairs, sorted within each input; which files of a folder are images is
    the rule of the data sets (:mod:`~mmseg_uda.datasets.image_files`).

    Raises:
        FileNotFoundError: an input does not exist, or a folder holds no image.
        ValueError: two images of a folder differ in their suffix only.
    """
    found: list[tuple[Path, Path]] = []
    for text in inputs:
        path = Path(text)
        if path.is_file():
            found.append((path, Path()))
            continue
        if not path.is_dir():
            raise FileNotFoundError(f"input '{path}' does not exist")
        images = [path / f'{stem}{suffix}' for stem, suffix in image_files.find_images(text, IMAGE_SUFFIXES)]
        if not images:
            raise FileNotFoundError(f"folder '{path}' holds no image ({', '.join(IMAGE_SUFFIXES)})")
        found += [(image, image.parent.relative_to(path)) for image in images]
    return found


def test_steps(cfg: Any) -> list[Any]:
    """The transforms of ``data.test`` that need an image only, as the config says them.

    Raises:
        KeyError: the config has no test pipeline.
    """
    test = (cfg.get('data') or {}).get('test')
    entry = test[0] if isinstance(test, (list, tuple)) else test
    if not entry or 'pipeline' not in entry:
        raise KeyError(f'the config has no data.test.pipeline ({nearest("pipeline", entry or ["pipeline"])})')
    return [step for step in flattened(entry['pipeline']) if property_of(step, 'reads') != 'label']


def resized_to(steps: Sequence[Any]) -> Optional[tuple[int, int]]:
    """(height, width) that a test pipeline resizes images to, as it says it; None where it says none.

    With ``keep_ratio`` an image of another aspect ratio is smaller than that.
    """
    for step in steps:
        scale = step.get('img_scale') or step.get('size')
        if isinstance(scale, (list, tuple)) and len(scale) == 2 and all(isinstance(side, int) for side in scale):
            return int(scale[1]), int(scale[0])
    return None

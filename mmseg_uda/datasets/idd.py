"""IDD's annotations: polygons drawn to label files, as the data set's own scripts do before anything can be trained."""

from __future__ import annotations

import json
import os
import re
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image, ImageDraw

from ..utils.parallel import map_files
from .labels import CorruptFileError

POLYGONS, LABELS = '_gtFine_polygons.json', '_gtFine_labelids.png'
#: names of the ids 0, 1, ...
NAMES = (
    'road',
    'parking',
    'drivable fallback',
    'sidewalk',
    'rail track',
    'non-drivable fallback',
    'person',
    'animal',
    'rider',
    'motorcycle',
    'bicycle',
    'autorickshaw',
    'car',
    'truck',
    'bus',
    'caravan',
    'trailer',
    'train',
    'vehicle fallback',
    'curb',
    'wall',
    'fence',
    'guard rail',
    'billboard',
    'traffic sign',
    'traffic light',
    'pole',
    'polegroup',
    'obs-str-bar-fallback',
    'building',
    'bridge',
    'tunnel',
    'vegetation',
    'sky',
    'fallback background',
    'unlabeled',
    'ego vehicle',
    'rectification border',
    'out of roi',
    'license plate',
)
UNLABELED = NAMES.index('unlabeled')


def _plain(name: str) -> str:
    return re.sub(r'[^a-z]', '', name.lower())


_IDS = {_plain(name): number for number, name in enumerate(NAMES)}


def label_id(name: str) -> int:
    """The id of an annotated name; ``car group`` counts as ``car``.

    Raises:
        KeyError: a name that IDD does not have.
    """
    plain = _plain(name)
    if plain not in _IDS and plain.endswith('group'):
        plain = plain[: -len('group')]
    return _IDS[plain]


def draw_polygons(annotation: dict[str, Any]) -> np.ndarray:
    """An annotation file's content -> ids uint8 (H, W); later polygons cover earlier ones, deleted ones are left
    out."""
    label = Image.new('L', (int(annotation['imgWidth']), int(annotation['imgHeight'])), UNLABELED)
    pen = ImageDraw.Draw(label)
    for item in annotation['objects']:
        corners = [tuple(corner) for corner in item['polygon']]
        if not item.get('deleted') and len(corners) > 1:
            pen.polygon(corners, fill=label_id(item['label']))
    return np.array(label)


def _draw_file(name: str, folder: str) -> str:
    path = Path(folder) / name
    try:
        label = draw_polygons(json.loads(path.read_text(encoding='utf-8')))
    except (ValueError, KeyError, TypeError) as error:
        raise CorruptFileError(f'cannot draw {path} ({type(error).__name__}: {error}): download it again') from error
    target = Path(str(path)[: -len(POLYGONS)] + LABELS)
    temporary = target.with_suffix('.part')
    Image.fromarray(label).save(temporary, format='PNG')
    os.replace(temporary, target)
    return target.name


def draw_labels(folder: Path, workers: int = 4) -> int:
    """Write ``*_gtFine_labelids.png`` beside every ``*_gtFine_polygons.json`` below ``folder`` that has none; returns
    their number.

    Raises:
        CorruptFileError: names the file.
    """
    names = [
        path.relative_to(folder).as_posix()
        for path in sorted(folder.rglob(f'*{POLYGONS}'))
        if not Path(str(path)[: -len(POLYGONS)] + LABELS).exists()
    ]
    return len(list(map_files(partial(_draw_file, folder=str(folder)), names, 'IDD polygons', workers))) if names else 0

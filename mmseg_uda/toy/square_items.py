"""Official names and label ids of the aerial and medical toy data sets, whose pictures are square tiles."""

from __future__ import annotations

import numpy as np

from .aerial import KIND

#: file ids of MMSegmentation's data sets: 0 is ignored, the classes begin with 1
LOVEDA_IDS = dict(nodata=0, yard=1, meadow=1, clutter=1, building=2, road=3, car=3, water=4, soil=5, wood=6, field=7)
ISPRS_IDS = dict(nodata=0, yard=1, road=1, building=2, meadow=3, field=3, soil=3, wood=4, car=5, clutter=6, water=6)
_ISPRS = ('potsdam', 'potsdam_irrg', 'vaihingen')


def square_ids(dataset: str, label: np.ndarray) -> np.ndarray:
    """What a label file of a data set holds for a drawn label (H, W): uint8 ids.

    ISPRS's labels leave out the boundaries of objects (0), as the published score does; masks of the medical pictures
    hold 0 and 255.
    """
    if dataset == 'polyps':
        return label * 255
    lut = np.zeros(256, np.uint8)
    for kind, number in (ISPRS_IDS if dataset in _ISPRS else LOVEDA_IDS).items():
        lut[KIND[kind]] = number
    ids = lut[label]
    if dataset in _ISPRS:
        edge = np.zeros(ids.shape, bool)
        edge[1:] |= ids[1:] != ids[:-1]
        edge[:, 1:] |= ids[:, 1:] != ids[:, :-1]
        ids[edge] = 0
    return ids


def loveda_names(split: str, number: int) -> tuple[str, str, str]:
    """Appearance, image and label of LoveDA's download; ``split`` is such as ``Train/Rural``."""
    first = {'Train/Rural': 0, 'Train/Urban': 1366, 'Val/Urban': 3514}[split]
    name = f'{first + number}.png'
    return f'loveda_{split.split("/")[1].lower()}', f'{split}/images_png/{name}', f'{split}/masks_png/{name}'


def isprs_names(dataset: str, split: str, number: int) -> tuple[str, str, str]:
    """Appearance, image and label as MMSegmentation's converters cut the tiles of Potsdam and Vaihingen."""
    x, y = 512 * (number % 10), 512 * (number // 10)
    tile = 'area1' if dataset == 'vaihingen' else '2_10'
    if split == 'val':
        tile = 'area11' if dataset == 'vaihingen' else '2_13'
    name = f'{tile}_{x}_{y}_{x + 512}_{y + 512}.png'
    return dataset, f'img_dir/{split}/{name}', f'ann_dir/{split}/{name}'


def polyp_names(split: str, number: int) -> tuple[str, str, str]:
    """Appearance, image and mask in plain folders; ``split`` is such as ``hospital_a/train``."""
    name = f'{number + 1:04d}'
    return split.split('/')[0], f'{split}/images/{name}.jpg', f'{split}/masks/{name}.png'

"""Class lists, palettes and raw-id tables of every data set: the one place where label ids are translated.

A *label space* is the set of classes a network predicts:

==============  =======  ==========================================================================================
name            classes  use
==============  =======  ==========================================================================================
``city19``      19       Cityscapes train ids, the default of every street data set
``city16``      16       SYNTHIA's classes with contiguous ids (19 without terrain, truck, train; DSTC, RIPU, ADVENT)
``super7``      7        the super classes of the multi-target benchmarks (MTAF, CoaST)
``viper15``     15       VIPER -> Cityscapes-Seq (video)
``synthia_seq12``  12    SYNTHIA-Seq -> Cityscapes-Seq (video; fence is not scored)
==============  =======  ==========================================================================================

The 16- and 13-class scores of SYNTHIA -> Cityscapes are means over a subset of the 19 classes: :func:`eval_subsets`.
Raw ids that a table does not list become 255 (ignored).
"""

from __future__ import annotations

from typing import Mapping, Sequence

import numpy as np

from ..ops.labels import IGNORE
from . import video_spaces

CITY19 = (
    'road',
    'sidewalk',
    'building',
    'wall',
    'fence',
    'pole',
    'traffic light',
    'traffic sign',
    'vegetation',
    'terrain',
    'sky',
    'person',
    'rider',
    'car',
    'truck',
    'bus',
    'train',
    'motorcycle',
    'bicycle',
)
CITY19_PALETTE = [
    [128, 64, 128],
    [244, 35, 232],
    [70, 70, 70],
    [102, 102, 156],
    [190, 153, 153],
    [153, 153, 153],
    [250, 170, 30],
    [220, 220, 0],
    [107, 142, 35],
    [152, 251, 152],
    [70, 130, 180],
    [220, 20, 60],
    [255, 0, 0],
    [0, 0, 142],
    [0, 0, 70],
    [0, 60, 100],
    [0, 80, 100],
    [0, 0, 230],
    [119, 11, 32],
]
# Train id -> label id of Cityscapes and GTA5; the same order as CITY19.
CITY19_LABEL_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)
NOT_IN_SYNTHIA = ('terrain', 'truck', 'train')
NOT_IN_13 = NOT_IN_SYNTHIA + ('wall', 'fence', 'pole')

SUPER7 = ('flat', 'construction', 'object', 'nature', 'sky', 'human', 'vehicle')
SUPER7_PALETTE = [
    [128, 64, 128],
    [70, 70, 70],
    [153, 153, 153],
    [107, 142, 35],
    [0, 130, 180],
    [220, 20, 60],
    [0, 0, 142],
]

CAMVID11 = ('sky', 'building', 'pole', 'road', 'sidewalk', 'tree', 'sign', 'fence', 'car', 'pedestrian', 'bicyclist')
CAMVID11_PALETTE = [
    [128, 128, 128],
    [128, 0, 0],
    [192, 192, 128],
    [128, 64, 128],
    [60, 40, 222],
    [128, 128, 0],
    [192, 128, 128],
    [64, 64, 128],
    [64, 0, 128],
    [64, 64, 0],
    [0, 128, 192],
]

_CITY16_KEPT = [i for i, name in enumerate(CITY19) if name not in NOT_IN_SYNTHIA]
_19_TO_16 = {old: new for new, old in enumerate(_CITY16_KEPT)}

SPACES: dict[str, tuple[Sequence[str], list[list[int]]]] = {
    'city19': (CITY19, CITY19_PALETTE),
    'city16': (tuple(CITY19[i] for i in _CITY16_KEPT), [CITY19_PALETTE[i] for i in _CITY16_KEPT]),
    'super7': (SUPER7, SUPER7_PALETTE),
    **{
        space: (names, [CITY19_PALETTE[CITY19.index(name)] for name in names])
        for space, names in (('viper15', video_spaces.VIPER15), ('synthia_seq12', video_spaces.SYNTHIA_SEQ12))
    },
}


def _groups(*groups: Sequence[int]) -> dict[int, int]:
    return {raw: new for new, group in enumerate(groups) for raw in group}


_CITY_TO_19 = {raw: train for train, raw in enumerate(CITY19_LABEL_IDS)}
_SYNTHIA_TO_19 = {
    3: 0,
    4: 1,
    2: 2,
    21: 3,
    5: 4,
    7: 5,
    15: 6,
    9: 7,
    6: 8,
    16: 9,
    1: 10,
    10: 11,
    17: 12,
    8: 13,
    18: 14,
    19: 15,
    20: 16,
    12: 17,
    11: 18,
}
_IDD_TO_19 = {
    0: 0,
    3: 1,
    29: 2,
    20: 3,
    21: 4,
    26: 5,
    25: 6,
    24: 7,
    32: 8,
    5: 9,
    33: 10,
    6: 11,
    8: 12,
    12: 13,
    13: 14,
    14: 15,
    17: 16,
    9: 17,
    10: 18,
}
_MAPILLARY_TO_19 = {
    13: 0,
    15: 1,
    17: 2,
    6: 3,
    3: 4,
    45: 5,
    48: 6,
    49: 7,
    50: 7,
    30: 8,
    29: 9,
    27: 10,
    19: 11,
    20: 12,
    21: 12,
    22: 12,
    55: 13,
    61: 14,
    54: 15,
    58: 16,
    57: 17,
    52: 18,
}

# The 7-class tables are the released ones of MTAF and CoaST, with their inconsistencies: terrain is *flat* in GTA5,
# SYNTHIA and Mapillary but *nature* in Cityscapes; caravan and trailer are *vehicle* everywhere but in GTA5; rail
# track, billboard and guard rail count in one set only.
RAW_TABLES: dict[str, dict[str, dict[int, int]]] = {
    'gta': {
        'city19': _CITY_TO_19,
        'super7': _groups((7, 8, 22), (11, 12, 13), (17, 19, 20), (21,), (23,), (24, 25), (26, 27, 28, 31, 32, 33)),
    },
    'cityscapes': {
        'city19': _CITY_TO_19,
        'super7': _groups(
            (7, 8), (11, 12, 13), (17, 19, 20), (21, 22), (23,), (24, 25), (26, 27, 28, 29, 30, 31, 32, 33)
        ),
    },
    'synthia': {
        'city19': _SYNTHIA_TO_19,
        'super7': _groups((3, 4, 16), (2, 5, 21), (7, 9, 15), (6,), (1,), (10, 17), (8, 11, 12, 18, 19, 20)),
    },
    'idd': {
        'city19': _IDD_TO_19,
        'super7': _groups(
            (0, 2, 3), (19, 20, 21, 29), (23, 24, 25, 26), (32,), (33,), (6, 8), (9, 10, 11, 12, 13, 14, 15, 16, 17, 18)
        ),
    },
    'mapillary': {
        'city19': _MAPILLARY_TO_19,
        'super7': _groups(
            (*range(7, 16), 23, 24, 29),
            (*range(2, 7), 16, 17, 18),
            range(43, 51),
            (30,),
            (27,),
            range(19, 23),
            range(52, 63),
        ),
    },
    'urbansyn': {'city19': {train: train for train in range(19)}},
}
for _tables in RAW_TABLES.values():
    _tables['city16'] = {raw: _19_TO_16[train] for raw, train in _tables['city19'].items() if train in _19_TO_16}

# Number of the highest raw id that a file of the data set may hold, besides 255.
RAW_ID_LIMIT = {
    'gta': 34,
    'cityscapes': 34,
    'synthia': 22,
    'idd': 39,
    'mapillary': 65,
    'urbansyn': 19,
    'viper': 31,
    'synthia_seq': 22,
}
# Raw id of what belongs to no class.
VOID_RAW_IDS = {
    'gta': 0,
    'cityscapes': 0,
    'synthia': 0,
    'idd': 255,
    'mapillary': 65,
    'urbansyn': 19,
    'viper': 0,
    'synthia_seq': 0,
    'train_ids': IGNORE,
}

TRAIN_ID_TABLES: dict[str, dict[int, int]] = {
    'city19': {i: i for i in range(19)},
    'city16': _19_TO_16,
    'viper15': video_spaces.tables(video_spaces.VIPER15, CITY19, {'rider': 'person'}),
    'synthia_seq12': video_spaces.tables(video_spaces.SYNTHIA_SEQ12, CITY19, {}),
}
for _space in ('viper15', 'synthia_seq12'):
    RAW_TABLES['cityscapes'][_space] = {
        raw: TRAIN_ID_TABLES[_space][train] for raw, train in _CITY_TO_19.items() if train in TRAIN_ID_TABLES[_space]
    }
RAW_TABLES['viper'] = {'viper15': video_spaces.VIPER_TO_15}
RAW_TABLES['synthia_seq'] = {'synthia_seq12': video_spaces.SYNTHIA_SEQ_TO_12}


def table(data_set: str, space: str = 'city19') -> dict[int, int]:
    """The raw id -> class id table of a data set.

    Args:
        data_set: ``gta``, ``cityscapes`` (also ACDC, Dark Zurich, Synscapes), ``synthia``, ``idd``, ``mapillary``,
            ``urbansyn``; ``train_ids`` for files that hold Cityscapes train ids already.
        space: ``city19``, ``city16`` or ``super7``.

    Raises:
        KeyError: unknown names; ``super7`` from train ids, which have lost the raw ids that the super classes need.
    """
    tables = TRAIN_ID_TABLES if data_set == 'train_ids' else RAW_TABLES.get(data_set)
    if tables is None:
        raise KeyError(f"no label table for data set '{data_set}'; known: train_ids, {', '.join(sorted(RAW_TABLES))}")
    if space not in tables:
        hint = (
            ' (the super classes need the raw label ids: point the data set at the unconverted label files)'
            if space == 'super7' and data_set == 'train_ids'
            else ''
        )
        raise KeyError(f"no table from '{data_set}' to label space '{space}'{hint}; known: {', '.join(sorted(tables))}")
    return tables[space]


def lookup_array(mapping: Mapping[int, int], ignore: int = IGNORE) -> np.ndarray:
    """``mapping`` as an array (256,) uint8 for indexing with uint8 labels; unlisted ids give ``ignore``."""
    lut = np.full(256, ignore, np.uint8)
    for raw, new in mapping.items():
        if raw == -1 and new == ignore:  # Cityscapes' licence plates, which no file holds
            continue
        if not (0 <= raw <= 255 and 0 <= new <= 255):
            raise ValueError(f'the id map translates {raw} to {new}: ids of label files and classes lie in 0..255')
        lut[raw] = new
    return lut


def to_label_ids(label: np.ndarray) -> np.ndarray:
    """Cityscapes train ids (19 classes) -> label ids as test servers of Cityscapes want them; 255 -> 0 (unlabeled)."""
    lut = np.zeros(256, np.uint8)
    lut[:19] = CITY19_LABEL_IDS
    return lut[label]


def eval_subsets(number: int) -> tuple[int, ...]:
    """Train ids that enter the mean of a 19-, 16- or 13-class score of a 19-class network.

    16 is SYNTHIA's set (without terrain, truck, train); 13 leaves out wall, fence and pole as well. All 19 classes stay
    in the confusion matrix.

    Raises:
        ValueError: another number.
    """
    without = {19: (), 16: NOT_IN_SYNTHIA, 13: NOT_IN_13}
    if number not in without:
        raise ValueError(f'there is a 19-, 16- and 13-class score, not one of {number} classes')
    return tuple(i for i, name in enumerate(CITY19) if name not in without[number])

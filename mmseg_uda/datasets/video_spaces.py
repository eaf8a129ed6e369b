"""Classes and raw ids of the video benchmarks (specified by DA-VSN, arXiv 2107.11052, and TPS, arXiv 2207.02372)."""

from __future__ import annotations

from typing import Mapping, Sequence

VIPER15 = (
    'road',
    'sidewalk',
    'building',
    'fence',
    'traffic light',
    'traffic sign',
    'vegetation',
    'terrain',
    'sky',
    'person',
    'car',
    'truck',
    'bus',
    'motorcycle',
    'bicycle',
)
SYNTHIA_SEQ12 = (
    'road',
    'sidewalk',
    'building',
    'fence',
    'pole',
    'traffic light',
    'traffic sign',
    'vegetation',
    'sky',
    'person',
    'rider',
    'car',
)
#: classes that are predicted but do not enter the mean of the published tables
NOT_SCORED = {'synthia_seq12': ('fence',)}

# VIPER's tree and vegetation are one class; 24 is car.
VIPER_TO_15 = {
    3: 0,
    4: 1,
    9: 2,
    11: 3,
    13: 4,
    14: 5,
    7: 6,
    8: 6,
    6: 7,
    2: 8,
    20: 9,
    24: 10,
    27: 11,
    26: 12,
    23: 13,
    22: 14,
}
# Raw 11 is SYNTHIA's bicycle and serves as rider; lane markings (12) are ignored.
SYNTHIA_SEQ_TO_12 = {3: 0, 4: 1, 2: 2, 5: 3, 7: 4, 15: 5, 9: 6, 6: 7, 1: 8, 10: 9, 11: 10, 8: 11}
SYNTHIA_LANE_MARKING = 12


def tables(names: Sequence[str], city: Sequence[str], merged: Mapping[str, str]) -> dict[int, int]:
    """Train ids of the 19 Cityscapes classes -> ids of ``names``.

    Args:
        city: the 19 names in order.
        merged: name of a Cityscapes class -> the class of ``names`` that takes it.
    """
    ids = {name: number for number, name in enumerate(names)}
    wanted = {old: merged.get(name, name) for old, name in enumerate(city)}
    return {old: ids[name] for old, name in wanted.items() if name in ids}

"""The looks of the square toy pictures: aerial data sets and endoscopes."""

from __future__ import annotations

from dataclasses import replace
from typing import Union

import numpy as np

from .aerial import IRRG, AerialLook, Bands, render_aerial
from .endoscopy import EndoscopyLook, render_endoscopy

# One colour a line would hide the tables.
# fmt: off
_COUNTRY: dict[str, Bands] = dict(
    yard=(150, 142, 126, 120), building=(140, 90, 70, 110), road=(168, 160, 146, 130), water=(54, 84, 82, 22),
    soil=(176, 142, 104, 150), wood=(44, 74, 40, 150), field=(124, 140, 72, 170), meadow=(104, 122, 66, 180),
)
_TOWN: dict[str, Bands] = dict(
    yard=(142, 140, 136, 118), building=(150, 150, 150, 120), road=(122, 120, 120, 102), water=(50, 74, 72, 18),
    soil=(160, 136, 108, 136), wood=(50, 72, 46, 158), field=(118, 128, 72, 164), meadow=(98, 112, 72, 170),
)

#: villages, fields and woods in summer light
RURAL = AerialLook(
    base=_COUNTRY, roofs=((168, 92, 70, 120), (140, 110, 92, 110), (190, 180, 168, 150), (140, 146, 160, 120)),
    parcels=dict(field=0.5, meadow=0.26, yard=0.16, soil=0.08), parcel=0.34, woods=1.4, houses=5, trees=7, ponds=0.6,
    patches=0.6, house=(0.06, 0.13), roads=(1, 2), road=0.04, nodata=0.1, contrast=1.05, saturation=1.1,
    tint=(1.03, 1.0, 0.96),
)
#: a town under thin haze: grey and blue roofs, wide roads, little land
URBAN = AerialLook(
    base=_TOWN, roofs=((128, 140, 168, 120), (176, 178, 182, 150), (120, 116, 112, 100), (160, 108, 90, 112)),
    parcels=dict(yard=0.4, meadow=0.28, field=0.18, soil=0.14), parcel=0.3, woods=0.8, houses=10, trees=8, ponds=0.6,
    patches=0.5, house=(0.08, 0.17), roads=(1, 3), road=0.055, nodata=0.1, contrast=0.9, saturation=0.85,
    brightness=1.03, tint=(0.98, 1.0, 1.03), haze=0.07, shadows=0.6, blur=0.4, noise=3,
)
#: a city of wide streets and large courtyards, crisp
POTSDAM = AerialLook(
    base={**_TOWN, 'yard': (150, 146, 140, 120), 'road': (120, 118, 118, 100), 'meadow': (98, 116, 70, 165),
          'wood': (62, 84, 52, 140)},
    roofs=((176, 96, 76, 122), (132, 126, 124, 108), (198, 194, 188, 160)),
    parcels=dict(meadow=0.5, yard=0.42, soil=0.08), parcel=0.3, woods=0.5, houses=8, trees=10, ponds=0.1, patches=0.1,
    clutter=1.2, parked=9, house=(0.1, 0.24), roads=(1, 2), road=0.1, contrast=1.1, shadows=0.5,
)
#: a village of small houses, in near infrared, red and green, softer and darker
VAIHINGEN = replace(
    POTSDAM, shown=IRRG, roofs=((186, 104, 84, 132), (156, 88, 76, 116), (150, 140, 132, 112)), house=(0.07, 0.15),
    houses=12, parked=5, clutter=0.8, trees=14, road=0.07, contrast=0.92, brightness=0.86, saturation=1.1,
    tint=(0.9, 0.92, 1.12), shadows=0.68, blur=0.6, noise=5,
)

#: one endoscope: bright, warm, crisp
HOSPITAL_A = EndoscopyLook()
#: another: cooler light, a round field of view, soft and noisy
HOSPITAL_B = EndoscopyLook(
    tissue=(180, 112, 102), polyp=(196, 110, 100), folds=5, vessels=3, highlights=12, size=(0.08, 0.22), light=0.62,
    contrast=0.92, brightness=0.98, saturation=0.85, tint=(0.97, 1.0, 1.04), mask=0.49, blur=0.6, noise=4,
)

SQUARE_LOOKS: dict[str, Union[AerialLook, EndoscopyLook]] = dict(
    loveda_rural=RURAL, loveda_urban=URBAN, potsdam=POTSDAM, potsdam_irrg=replace(POTSDAM, shown=IRRG),
    vaihingen=VAIHINGEN, hospital_a=HOSPITAL_A, hospital_b=HOSPITAL_B,
)
# fmt: on


def render_square(
    look: Union[AerialLook, EndoscopyLook], side: int, rng: np.random.Generator
) -> tuple[np.ndarray, np.ndarray]:
    """Image (side, side, 3) uint8 RGB and drawn label (side, side) uint8 of any square look."""
    if isinstance(look, AerialLook):
        return render_aerial(look, side, rng)
    return render_endoscopy(look, side, rng)

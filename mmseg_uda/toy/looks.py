"""The catalogue of appearances: what each toy data set looks like."""

from __future__ import annotations

from dataclasses import replace

from .appearance import Appearance, Rgb

# One colour a line would hide the tables.
# fmt: off
_GAME_BASE: dict[str, Rgb] = dict(
    road=(84, 84, 92), marking=(228, 224, 205), sidewalk=(166, 154, 140), terrain=(148, 132, 72),
    wall=(168, 140, 112), fence=(98, 94, 90), pole=(62, 62, 64), light=(36, 40, 38), sign=(40, 120, 70),
    vegetation=(62, 118, 42), trunk=(84, 62, 42), skin=(214, 160, 124), glass=(60, 88, 112), tyre=(24, 24, 26),
    train=(196, 66, 40), bus=(214, 170, 40), truck=(200, 200, 196), motorcycle=(70, 26, 26), bicycle=(130, 40, 40),
    kerb=(190, 184, 176),
)

_CITY_BASE: dict[str, Rgb] = dict(
    road=(118, 114, 118), marking=(196, 196, 196), sidewalk=(140, 132, 136), terrain=(86, 108, 66),
    wall=(122, 116, 110), fence=(92, 100, 92), pole=(112, 116, 112), light=(50, 56, 46), sign=(56, 84, 150),
    vegetation=(58, 76, 50), trunk=(70, 64, 54), skin=(180, 142, 122), glass=(70, 78, 80), tyre=(40, 40, 42),
    train=(152, 156, 150), bus=(124, 148, 96), truck=(150, 120, 100), motorcycle=(52, 52, 60), bicycle=(66, 70, 80),
    kerb=(152, 148, 146),
)

GAME = Appearance(
    base=_GAME_BASE, buildings=((206, 170, 120), (176, 96, 70), (220, 208, 186), (140, 150, 170), (190, 140, 110)),
    vehicles=((190, 30, 30), (30, 60, 150), (230, 228, 220), (230, 170, 20), (40, 110, 60), (26, 26, 30)),
    variety=10, sky=((74, 138, 224), (214, 218, 214)), texture=4, contrast=1.15, saturation=1.25,
    tint=(1.05, 1.0, 0.93), haze=0.18, shadows=0.55,
    density={'person': 0.64, 'rider on bicycle': 0.7, 'rider on motorcycle': 0.7},
)

CITY = Appearance(
    base=_CITY_BASE,
    buildings=((168, 158, 140), (150, 138, 128), (182, 172, 150), (124, 120, 122), (162, 132, 112)),
    vehicles=((36, 38, 44), (150, 152, 156), (90, 96, 106), (58, 40, 42), (188, 190, 190), (50, 62, 90)),
    clothes=((44, 46, 54), (80, 76, 78), (60, 66, 84), (110, 96, 90), (52, 60, 50)), variety=11,
    sky=((206, 214, 212), (232, 236, 230)), texture=8, grain=2, contrast=0.85, brightness=1.1, saturation=0.85,
    tint=(0.95, 1.02, 0.96), haze=0.3, shadows=0.22, blur=0.55, noise=4, vignette=0.2, elevation=(1.1, 1.35),
    horizon=(0.42, 0.5), focal=(0.7, 0.85), road=(3.5, 5.5), bonnet=True,
    density={'person': 1.69, 'bicycle': 2.56, 'rider on bicycle': 2.08, 'rider on motorcycle': 1.3},
)

SYNTHETIC = replace(
    GAME, variety=16, texture=1.5, contrast=1.0, saturation=1.1, tint=(1, 1, 1), haze=0.0, shadows=0.35,
    sky=((120, 160, 210), (190, 205, 220)), base={**_GAME_BASE, 'road': (70, 72, 78), 'sidewalk': (182, 176, 168),
    'vegetation': (52, 104, 52), 'terrain': (104, 132, 60)}, elevation=(1.2, 6.0), horizon=(0.25, 0.5),
    focal=(0.5, 0.8),
    density={'person': 4, 'rider on bicycle': 1.4, 'rider on motorcycle': 1.4, 'truck': 0, 'train': 0},
)

INDIA = replace(
    CITY, base={**_CITY_BASE, 'road': (140, 128, 116), 'sidewalk': (170, 146, 118), 'terrain': (164, 136, 98),
    'vegetation': (84, 100, 44), 'wall': (186, 160, 130), 'bus': (190, 60, 50), 'truck': (214, 120, 50)},
    buildings=((214, 178, 128), (180, 190, 196), (214, 150, 140), (196, 196, 150)),
    vehicles=((228, 226, 220), (150, 30, 30), (60, 60, 66), (40, 90, 150)), sky=((196, 206, 214), (228, 220, 200)),
    contrast=0.95, brightness=1.05, saturation=1.05, tint=(1.06, 1.0, 0.9), haze=0.42, noise=3, bonnet=False,
    road=(4, 8), density={'person': 2.5, 'rider on bicycle': 2.5, 'rider on motorcycle': 6, 'motorcycle': 6,
    'truck': 4, 'bus': 2.5, 'train': 0.05, 'autorickshaw': 1},
)

WORLDWIDE = replace(
    CITY, base={**_CITY_BASE, 'road': (104, 106, 112), 'vegetation': (64, 104, 56), 'terrain': (120, 134, 80)},
    variety=18, sky=((120, 168, 222), (220, 228, 234)), texture=6, contrast=1.05, brightness=1.0, saturation=1.1,
    tint=(1, 1, 1.02), haze=0.2, blur=0.3, noise=3, jpeg=60, vignette=0.1, elevation=(1.2, 2.2),
    horizon=(0.35, 0.55), focal=(0.6, 1.0), road=(3.5, 8), bonnet=False,
)

FOG = replace(
    CITY, haze=0.88, contrast=0.7, brightness=1.0, sky=((206, 210, 212), (208, 212, 214)), shadows=0.05,
    bonnet=False,
)

NIGHT = replace(
    CITY, night=1.0, brightness=1.0, contrast=1.1, saturation=0.7, sky=((10, 12, 24), (30, 28, 36)), haze=0.05,
    noise=7, blur=0.7, shadows=0.0, tint=(1.12, 1.0, 0.86), bonnet=False,
)

RAIN = replace(
    CITY, base={**_CITY_BASE, 'road': (88, 90, 96), 'sidewalk': (110, 108, 112)}, brightness=0.92, contrast=0.85,
    blur=0.9, haze=0.5, sky=((150, 156, 162), (170, 174, 178)), shadows=0.1, bonnet=False,
)

SNOW = replace(
    CITY, base={**_CITY_BASE, 'terrain': (222, 226, 232), 'sidewalk': (206, 208, 214), 'road': (150, 150, 156),
    'vegetation': (130, 138, 134)}, brightness=0.98, haze=0.4, sky=((216, 220, 224), (226, 228, 230)), shadows=0.1,
    bonnet=False,
)

APPEARANCES: dict[str, Appearance] = dict(
    gta=GAME, cityscapes=CITY, synthia=SYNTHETIC, idd=INDIA, mapillary=WORLDWIDE, fog=FOG, night=NIGHT, rain=RAIN,
    snow=SNOW,
)
# fmt: on

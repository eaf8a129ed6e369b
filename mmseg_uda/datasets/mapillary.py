"""Mapillary Vistas: the names of the 66 labels of v1.x, and label files in another order."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

from ..utils.json_files import read_record
from .label_spaces import table

#: readable names of the ids 0, 1, ... in the release's ``config.json``
NAMES = (
    'Bird',
    'Ground Animal',
    'Curb',
    'Fence',
    'Guard Rail',
    'Barrier',
    'Wall',
    'Bike Lane',
    'Crosswalk - Plain',
    'Curb Cut',
    'Parking',
    'Pedestrian Area',
    'Rail Track',
    'Road',
    'Service Lane',
    'Sidewalk',
    'Bridge',
    'Building',
    'Tunnel',
    'Person',
    'Bicyclist',
    'Motorcyclist',
    'Other Rider',
    'Lane Marking - Crosswalk',
    'Lane Marking - General',
    'Mountain',
    'Sand',
    'Sky',
    'Snow',
    'Terrain',
    'Vegetation',
    'Water',
    'Banner',
    'Bench',
    'Bike Rack',
    'Billboard',
    'Catch Basin',
    'CCTV Camera',
    'Fire Hydrant',
    'Junction Box',
    'Mailbox',
    'Manhole',
    'Phone Booth',
    'Pothole',
    'Street Light',
    'Pole',
    'Traffic Sign Frame',
    'Utility Pole',
    'Traffic Light',
    'Traffic Sign (Back)',
    'Traffic Sign (Front)',
    'Trash Can',
    'Bicycle',
    'Boat',
    'Bus',
    'Car',
    'Caravan',
    'Motorcycle',
    'On Rails',
    'Other Vehicle',
    'Trailer',
    'Truck',
    'Wheeled Slow',
    'Car Mount',
    'Ego Vehicle',
    'Unlabeled',
)
PARTS = ('training', 'validation')
LABEL_FOLDERS = ('labels', 'v1.2/labels')
CONFIGS = ('config_v1.2.json', 'config.json')


def id_table(labels: Sequence[Mapping[str, Any]], space: str = 'city19') -> dict[int, int]:
    """The file id -> class id table for the labels of a ``config.json``, matched by their readable names.

    Args:
        labels: its entry ``labels``; an id is the position in this list.
        space: label space of the classes.

    Raises:
        ValueError: a name of v1.x that the classes need is missing, as in v2.0 with its 124 labels.
    """
    found = {str(label['readable']).lower(): number for number, label in enumerate(labels)}
    mapping = table('mapillary', space)
    missing = [NAMES[raw] for raw in mapping if NAMES[raw].lower() not in found]
    if missing:
        raise ValueError(
            f'the labels lack {", ".join(repr(name) for name in missing[:3])}: they are not those of Mapillary '
            'Vistas v1.x '
            f'({len(labels)} instead of {len(NAMES)} labels); use the v1.2 labels of v2.0'
        )
    return {found[NAMES[raw].lower()]: new for raw, new in mapping.items()}


def label_folders(root: Path) -> dict[str, str]:
    """The label folder below ``root`` of each part that is there.

    Raises:
        FileNotFoundError: none is there.
    """
    found = {
        part: next((f'{part}/{name}' for name in LABEL_FOLDERS if (root / part / name).is_dir()), None)
        for part in PARTS
    }
    folders = {part: folder for part, folder in found.items() if folder is not None}
    if not folders:
        raise FileNotFoundError(
            f'Mapillary Vistas: no {" or ".join(f"{part}/labels" for part in PARTS)} in {root}; check the root'
        )
    return folders


def released_labels(root: Path) -> Optional[list[dict[str, Any]]]:
    """``labels`` of the release's configuration file; None when it was not copied along, and the order of v1.x
    counts."""
    path = next((root / name for name in CONFIGS if (root / name).is_file()), None)
    if path is None:
        return None
    return read_record(path, ('labels',), 'copy it again from the release')['labels']

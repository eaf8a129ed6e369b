"""Real annotation: export what is to be annotated, import and check the labels."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import cv2
import numpy as np

from ..components.acquisition import RegionAcquisition
from ..datasets.labels import decode_label, read_bytes
from ..utils.checkpoint_io import replacing
from .budget import RegionBudget
from .label_set import LabelSetError, Purchase, write_text
from .regions import IGNORE, RegionLabels, region_path
from .selection import Scorer, propose
from .session import ActiveSession

REQUEST = 'request.json'


def export_folder(session: ActiveSession, round_number: int) -> Path:
    """What goes to the annotators in a round."""
    return session.label_set.folder / 'export' / f'round_{round_number:02d}'


def export_images(
    session: ActiveSession, names: Sequence[str], acquisition: str, checkpoint: Optional[str] = None
) -> Path:
    """Copy the images of the next round into its export folder; the request is written last and makes it valid.

    Returns:
        the export folder with ``images/`` and ``request.json``.
    """
    folder = export_folder(session, session.next_round)
    for name in names:
        _copy_image(session, name, folder)
    _write_request(folder, session, names, acquisition, checkpoint)
    return folder


def export_regions(session: ActiveSession, scorer: Scorer, checkpoint: Optional[str] = None) -> Path:
    """Pick the regions of the next round in every image and write, besides the images, a mask of the pixels to annotate (255 = annotate).

    An image whose mask exists is not picked again.
    """
    acquisition, budget = session.acquisition, session.budget
    if not isinstance(acquisition, RegionAcquisition) or not isinstance(budget, RegionBudget):
        raise LabelSetError('the config buys whole images: there are no regions to export')
    number = session.next_round
    folder = export_folder(session, number)
    for name in session.pool.names:
        mask_path = folder / 'regions' / f'{name}.png'
        if mask_path.is_file() and decode_label(mask_path.read_bytes(), mask_path).size:
            continue
        height, width = session.pool.read_image(name).shape[:2]
        regions = RegionLabels.load(region_path(session.label_set.folder, name)) or RegionLabels.empty(height, width)
        selected = propose(regions, acquisition, budget, scorer, name, number)
        _copy_image(session, name, folder)
        _write_png(mask_path, selected.astype(np.uint8) * 255)
        blocked = folder / 'blocked' / f'{name}.png'
        _write_png(blocked, regions.blocked.astype(np.uint8) * 255)
    _write_request(folder, session, session.pool.names, type(acquisition).__name__, checkpoint)
    return folder


def read_request(session: ActiveSession) -> dict[str, Any]:
    """The request of the next round.

    Raises:
        LabelSetError: nothing was requested.
    """
    path = export_folder(session, session.next_round) / REQUEST
    if not path.is_file():
        raise LabelSetError(
            f'{path} does not exist: run "tools/select_active.py buy" first, it exports what is to be annotated'
        )
    return json.loads(path.read_text(encoding='utf-8'))


def import_labels(session: ActiveSession, labels: Path) -> Purchase:
    """Check the annotations of the next round and enter them.

    Args:
        labels: folder with ``<name>.png`` for every requested image: class ids, 255 = no class. At region level only the requested pixels count.

    Raises:
        LabelSetError: lists every missing file, wrong size and wrong id; nothing is entered then.
    """
    request = read_request(session)
    found, problems = {}, []
    for name in request['images']:
        try:
            found[name] = _read_annotation(session, name, labels)
        except (OSError, ValueError) as error:
            problems.append(str(error))
    if problems:
        listed = '\n  '.join(problems[:20]) + (f'\n  ... and {len(problems) - 20} more' if len(problems) > 20 else '')
        raise LabelSetError(
            f'{len(problems)} of {len(request["images"])} annotations cannot be used, nothing was imported:\n  {listed}'
        )
    purchase = Purchase(session.next_round, request['acquisition'], checkpoint=request.get('checkpoint'))
    if session.acquisition.level == 'image':
        purchase.images = list(request['images'])
    for name, label in found.items():
        pixels, ignored = _enter(session, name, label, purchase.round)
        purchase.pixels += pixels
        purchase.ignored_pixels += ignored
    session.label_set.commit(purchase)
    return purchase


def _enter(session: ActiveSession, name: str, label: np.ndarray, number: int) -> tuple[int, int]:
    """Store one image's annotation; repeating it changes nothing. Returns pixels and ignored pixels."""
    folder = session.label_set.folder
    if session.acquisition.level == 'image':
        _write_png(folder / 'labels' / f'{name}.png', label)
        return label.size, int((label == IGNORE).sum())
    export = export_folder(session, number)
    regions = RegionLabels.load(region_path(folder, name)) or RegionLabels.empty(*label.shape)
    if regions.round < number:
        selected = _read_png(export / 'regions' / f'{name}.png') > 0
        regions.blocked = _read_png(export / 'blocked' / f'{name}.png') > 0
        regions.buy(selected, label, number)
        regions.save(region_path(folder, name))
    return regions.counts(number)


def _read_annotation(session: ActiveSession, name: str, labels: Path) -> np.ndarray:
    path = labels / f'{name}.png'
    label = decode_label(read_bytes(path, 'annotation', 'Every requested image needs one.'), path)
    height, width = session.pool.read_image(name).shape[:2]
    if label.shape != (height, width):
        raise ValueError(f'{path} is {label.shape[1]}x{label.shape[0]}, the image {width}x{height}')
    classes = len(session.pool.classes)
    wrong = sorted(int(i) for i in np.unique(label) if classes <= i < IGNORE)
    if wrong:
        raise ValueError(
            f'{path} holds the ids {wrong[:5]}; valid are 0 to {classes - 1}, and 255 for pixels without a class'
        )
    return label


def _copy_image(session: ActiveSession, name: str, folder: Path) -> None:
    source = Path(session.pool.path(name))
    target = folder / 'images' / f'{name}{source.suffix}'
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = target.with_name(target.name + '.part')
        shutil.copyfile(source, temporary)
        temporary.replace(target)


def _write_request(
    folder: Path, session: ActiveSession, names: Sequence[str], acquisition: str, checkpoint: Optional[str]
) -> None:
    request: Mapping[str, Any] = {
        'round': session.next_round,
        'level': session.acquisition.level,
        'acquisition': acquisition,
        'checkpoint': checkpoint,
        'classes': list(session.pool.classes),
        'images': list(names),
    }
    folder.mkdir(parents=True, exist_ok=True)
    write_text(folder / REQUEST, json.dumps(request, indent=1) + '\n')


def _write_png(path: Path, values: np.ndarray) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        temporary.write_bytes(cv2.imencode('.png', values)[1].tobytes())


def _read_png(path: Path) -> np.ndarray:
    return decode_label(read_bytes(path, 'exported mask', 'It was written by "buy"; export the round again.'), path)

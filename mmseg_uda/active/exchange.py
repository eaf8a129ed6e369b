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
from ..ops.labels import IGNORE
from ..utils.checkpoint_io import replacing
from ..utils.json_files import read_record
from .budget import RegionBudget
from .label_set import LabelSetError, Purchase, write_text
from .region_selection import begin, propose, region_totals
from .regions import RegionLabels, region_path
from .selection import Scorer, fingerprint, progress
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


def export_regions(session: ActiveSession, scorer: Scorer, checkpoint: Optional[Path] = None) -> Path:
    """Pick the regions of the next round in every image and write, besides the images, a mask of the pixels to
    annotate (255 = annotate).

    An image whose mask exists is not picked again. ``pending/`` holds what the masks block for later rounds.

    Raises:
        LabelSetError: the config buys images, or another network began the export.
    """
    acquisition, budget = session.acquisition, session.budget
    if not isinstance(acquisition, RegionAcquisition) or not isinstance(budget, RegionBudget):
        raise LabelSetError('the config buys whole images: there are no regions to export')
    number = session.next_round
    folder = export_folder(session, number)
    begin(folder / 'begun.json', fingerprint(acquisition, session.view, checkpoint), f'the export {folder}')
    for name in progress(session.pool.names, f'choosing regions, round {number}', show=True):
        mask_path = folder / 'regions' / f'{name}.png'
        if mask_path.is_file() and decode_label(mask_path.read_bytes(), mask_path).size:
            continue
        height, width = session.pool.read_image(name).shape[:2]
        regions = RegionLabels.load(region_path(session.label_set.folder, name)) or RegionLabels.empty(height, width)
        selected = propose(regions, acquisition, budget, scorer, name, number)
        _copy_image(session, name, folder)
        regions.save(_pending_path(folder, name))
        _write_png(mask_path, selected.astype(np.uint8) * 255)
    _write_request(
        folder, session, session.pool.names, type(acquisition).__name__, str(checkpoint) if checkpoint else None
    )
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
    return read_record(path, (), f'delete {path.parent} and run "tools/select_active.py buy" again')


def import_labels(session: ActiveSession, labels: Path, ignore_extra: bool = False) -> Purchase:
    """Check the annotations of the next round and enter them. Can be repeated after a kill at any point.

    Args:
        labels: folder with ``<name>.png`` for every requested image: class ids, 255 = no class. At region level only
            the requested pixels count. Images that were bought before may lie there as well.
        ignore_extra: leave files alone that nobody asked for, instead of refusing.

    Raises:
        LabelSetError: lists every missing file, wrong size, wrong id and file that nobody asked for; nothing is
            entered then.
    """
    request = read_request(session)
    found, problems = {}, [] if ignore_extra else _unasked(session, labels, request['images'])
    for name in progress(request['images'], f'checking round {session.next_round}', show=True):
        try:
            found[name] = _read_annotation(session, name, labels)
        except (OSError, ValueError) as error:
            problems.append(str(error))
    if problems:
        listed = '\n  '.join(problems[:20]) + (f'\n  ... and {len(problems) - 20} more' if len(problems) > 20 else '')
        raise LabelSetError(
            f'{len(problems)} problems with the annotations of {len(request["images"])} images, nothing was '
            f'imported:\n  {listed}'
        )
    number, checkpoint = session.next_round, request.get('checkpoint')
    for name, label in found.items():
        _enter(session, name, label, number)
    if session.acquisition.level == 'image':
        ignored = sum(int((label == IGNORE).sum()) for label in found.values())
        pixels = sum(label.size for label in found.values())
        purchase = Purchase(
            number, request['acquisition'], list(request['images']), pixels, ignored, checkpoint=checkpoint
        )
    else:
        purchase = region_totals(session.label_set, session.acquisition, number, checkpoint)
    session.label_set.commit(purchase)
    return purchase


def _unasked(session: ActiveSession, labels: Path, requested: Sequence[str]) -> list[str]:
    """Messages about files of a folder that are neither requested nor labelled before: they would be paid for and not
    used."""
    expected = {*requested, *session.label_set.labeled}
    files = sorted(path.relative_to(labels).with_suffix('').as_posix() for path in labels.rglob('*.png'))
    return [
        f'{labels / name}.png was not asked for: check its name, move it away, or import with --ignore-extra'
        for name in files
        if name not in expected
    ]


def _enter(session: ActiveSession, name: str, label: np.ndarray, number: int) -> None:
    """Store one image's annotation; repeating it changes nothing."""
    folder = session.label_set.folder
    if session.acquisition.level == 'image':
        _write_png(folder / 'labels' / f'{name}.png', label)
        return
    entered = RegionLabels.load(region_path(folder, name))
    if entered is None or entered.round < number:
        export = export_folder(session, number)
        regions = RegionLabels.load(_pending_path(export, name))
        if regions is None:
            raise LabelSetError(
                f'{_pending_path(export, name)} is missing: it was written by "buy"; export the round again'
            )
        regions.buy(_read_png(export / 'regions' / f'{name}.png') > 0, label, number)
        regions.save(region_path(folder, name))


def _pending_path(export: Path, name: str) -> Path:
    return export / 'pending' / f'{name}.npz'


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

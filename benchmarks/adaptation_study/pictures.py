"""Panels of the same frames for all rows, and how predictions change over a training (film strips)."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence

import cv2
import numpy as np

from . import figures, plan
from .worlds import WORLDS

IMAGES = figures.ROOT / 'docs' / 'images'
#: rows of the film strips, in each world
FILM = ('dacs', 'dacs_source300', 'dacs_source400', 'mic', 'mic_source300', 'quadmix', 'quadmix_source300')
#: frames that are kept, and their width in pictures
WATCHED, WIDTH = 3, 200
_TITLE = 18  # height of a line of text, pixels


def watched(dataset: Any) -> list[int]:
    """Indices of a few images, evenly spread over a data set."""
    return [(2 * i + 1) * len(dataset) // (2 * WATCHED) for i in range(WATCHED)]


def keeper(dataset: Any, folder: Path, title: str) -> Callable[[np.ndarray, Mapping[str, Any]], None]:
    """A consumer of predictions that keeps those of the watched images: ``<title>_<number>.png`` with class ids."""
    numbers = {dataset.img_infos[index]['filename']: number for number, index in enumerate(watched(dataset))}

    def keep(prediction: np.ndarray, meta: Mapping[str, Any]) -> None:
        number = next((n for name, n in numbers.items() if str(meta['ori_filename']).endswith(name)), None)
        if number is not None:
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f'{title}_{number}.png'), prediction.astype(np.uint8))

    return keep


def _labelled(cells: Sequence[np.ndarray], titles: Sequence[str]) -> np.ndarray:
    """Cells side by side at one width, with titles above; uint8 BGR."""
    titled = []
    for cell, title in zip(cells, titles):
        text = np.full((_TITLE, WIDTH, 3), 255, np.uint8)
        cv2.putText(text, title, (3, _TITLE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
        titled.append(np.concatenate([text, _scaled(cell)]))
    return np.concatenate(titled, 1)


def _colours(label: np.ndarray, palette: Any) -> np.ndarray:
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = palette
    return colours[label][..., ::-1]


def sheet_path(name: str, seed: int) -> Path:
    """Where the sheet of a run stands, beside its result."""
    return figures.RESULTS / 'views' / f'{name}_seed{seed}.png'


def write_sheet(run: Mapping[str, Any], folder: Path) -> Optional[Path]:
    """The watched frames of a run on one sheet of class ids, small enough to be committed.

    Args:
        run: the result.
        folder: its kept predictions, ``views`` of the run's work folder.

    Returns:
        Its path: a line of frames for every evaluation, of the network that labels (the teacher, where there is one),
        and a last line of the tested network at the end. None: some predictions are not there.
    """
    last = run['curve'][-1]['iter']
    lines = [*((point['iter'], labelling(run)) for point in run['curve']), (last, figures.tested(run))]
    files = [[folder / f'{i:05d}_{network}_{number}.png' for number in range(WATCHED)] for i, network in lines]
    if not all(path.is_file() for line in files for path in line):
        return None
    frames = [[cv2.imread(str(path), cv2.IMREAD_UNCHANGED) for path in line] for line in files]
    path = sheet_path(run['row'], run['seed'])
    path.parent.mkdir(parents=True, exist_ok=True)
    cv2.imwrite(str(path), np.concatenate([np.concatenate([_scaled(f) for f in line], 1) for line in frames]))
    return path


def labelling(run: Mapping[str, Any]) -> str:
    """The network whose predictions a film strip shows: the teacher, where there is one."""
    return 'teacher' if 'teacher' in run['final'] else figures.tested(dict(run))


def _scaled(frame: np.ndarray) -> np.ndarray:
    return cv2.resize(frame, (WIDTH, round(frame.shape[0] * WIDTH / frame.shape[1])), interpolation=cv2.INTER_NEAREST)


def sheet(
    name: str, found: Mapping[str, Sequence[Mapping[str, Any]]]
) -> Optional[tuple[Mapping[str, Any], np.ndarray]]:
    """First run of a row that has a sheet: (its result, lines x frames of class ids)."""
    for run in found.get(name, []):
        path = sheet_path(name, run['seed'])
        if path.is_file():
            whole = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
            height = whole.shape[0] // (len(run['curve']) + 1)
            return run, whole.reshape(-1, height, WATCHED, WIDTH).swapaxes(1, 2)  # (line, frame, height, width)
    return None


def panels(world: str, dataset: Any) -> str:
    """Frame, truth and the tested network of every row; returns the file's name, or '' without any sheet.

    Frames of data sets of others are left out.
    """
    found = figures.results()
    rows = [row for row in plan.ROWS if row.world == world and row.setting == 'uda']
    seen = {row.title: sheet(row.name, found) for row in rows}
    lines = []
    for number, index in enumerate(watched(dataset)):
        truth = dataset.get_gt_seg_map_by_idx(index)
        cells, titles = [_colours(_scaled(truth), dataset.PALETTE)], ['truth']
        if WORLDS[world].drawn:
            frame = cv2.imread(str(Path(dataset.img_dir) / dataset.img_infos[index]['filename']))
            cells, titles = [frame, *cells], ['frame', *titles]
        for title, one in seen.items():
            if one is not None:
                cells.append(_colours(one[1][-1][number], dataset.PALETTE))
                titles.append(f'{title}, seed {one[0]["seed"]}')
        lines.append(_labelled(cells, titles))
    return _write(f'study_panels_{world}.jpg', np.concatenate(lines)) if any(seen.values()) else ''


def film_strip(world: str, palette: Any, number: int = 1) -> str:
    """One frame as the network that labels sees it, evaluation by evaluation; returns the file's name, or ''."""
    found, lines = figures.results(), []
    for name in FILM:
        one = sheet(f'{world}_{name}', found)
        if one is not None:
            run, frames = one
            title = f'{name.replace("_source", ", labels until ")} {labelling(run)}'
            titles = [f'{title}, {point["iter"]}' for point in run['curve']]
            lines.append(_labelled([_colours(line[number], palette) for line in frames[:-1]], titles))
    width = max((line.shape[1] for line in lines), default=0)
    padded = [np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0)), constant_values=255) for line in lines]
    return _write(f'study_film_{world}.jpg', np.concatenate(padded)) if padded else ''


def _write(name: str, picture: np.ndarray) -> str:
    cv2.imwrite(str(IMAGES / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return name


def draw() -> list[str]:
    """All pictures of the worlds whose images lie here, from the sheets of the runs; sheets of runs that ended here are
    written first."""
    import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
    from mmseg_uda.engine import environment
    from mmseg_uda.engine.evaluation_sets import named_test_sets

    for runs in figures.results().values():
        for run in runs:
            write_sheet(run, figures.WORK / f'{run["row"]}_seed{run["seed"]}' / 'views')
    drawn = []
    for world, facts in WORLDS.items():
        if not facts.drawn and not os.environ.get('MMSEG_UDA_CAMVID'):
            continue
        cfg = environment.load_config(str(figures.ROOT / facts.target))
        environment.prepare_data(cfg)
        dataset = next(iter(named_test_sets(cfg, 'val').values()))
        drawn += [panels(world, dataset), film_strip(world, dataset.PALETTE)]
    return [name for name in drawn if name]

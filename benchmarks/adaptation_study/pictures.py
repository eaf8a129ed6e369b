"""Panels of the same frames for all rows, and how predictions change over a training (film strips)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Callable, Mapping, Sequence

import cv2
import numpy as np

from . import plan, tables

IMAGES = tables.ROOT / 'docs' / 'images'
WORK = tables.ROOT / 'work_dirs' / 'study'
#: rows of the film strips, in each world
FILM = ('dacs', 'mic', 'quadmix')
_TITLE = 18  # height of a line of text, pixels


def watched(dataset: Any, count: int = 3) -> list[int]:
    """Indices of a few images, evenly spread over a data set."""
    return [(2 * i + 1) * len(dataset) // (2 * count) for i in range(count)]


def keeper(dataset: Any, folder: Path, title: str) -> Callable[[np.ndarray, Mapping[str, Any]], None]:
    """A consumer of predictions that keeps those of the watched images: ``<title>_<number>.png`` with class ids."""
    numbers = {dataset.img_infos[index]['filename']: number for number, index in enumerate(watched(dataset))}

    def keep(prediction: np.ndarray, meta: Mapping[str, Any]) -> None:
        number = next((n for name, n in numbers.items() if str(meta['ori_filename']).endswith(name)), None)
        if number is not None:
            folder.mkdir(parents=True, exist_ok=True)
            cv2.imwrite(str(folder / f'{title}_{number}.png'), prediction.astype(np.uint8))

    return keep


def _labelled(cells: Sequence[np.ndarray], titles: Sequence[str], width: int) -> np.ndarray:
    """Cells side by side at one width, with titles above; uint8 BGR."""
    scaled = []
    for cell, title in zip(cells, titles):
        height = round(cell.shape[0] * width / cell.shape[1])
        text = np.full((_TITLE, width, 3), 255, np.uint8)
        cv2.putText(text, title, (3, _TITLE - 5), cv2.FONT_HERSHEY_SIMPLEX, 0.4, (0, 0, 0), 1, cv2.LINE_AA)
        scaled.append(np.concatenate([text, cv2.resize(cell, (width, height), interpolation=cv2.INTER_NEAREST)]))
    return np.concatenate(scaled, 1)


def _colours(path: Path, palette: Any) -> np.ndarray:
    label = cv2.imread(str(path), cv2.IMREAD_UNCHANGED)
    colours = np.zeros((256, 3), np.uint8)
    colours[: len(palette)] = palette
    return colours[label][..., ::-1]


def panels(world: str, dataset: Any) -> str:
    """Frame, truth and the tested network of every row (seed 0); returns the file's name."""
    found = tables.results()
    rows = [row for row in plan.ROWS if row.world == world and row.setting == 'uda' and found.get(row.name)]
    lines = []
    for number, index in enumerate(watched(dataset)):
        image = cv2.imread(str(Path(dataset.img_dir) / dataset.img_infos[index]['filename']))
        truth = np.full((*image.shape[:2], 3), 0, np.uint8)
        label = dataset.get_gt_seg_map_by_idx(index)
        for cls, colour in enumerate(dataset.PALETTE):
            truth[label == cls] = colour
        cells, titles = [image, truth[..., ::-1]], ['frame', 'truth']
        for row in rows:
            run = found[row.name][0]
            last = run['curve'][-1]['iter']
            kept = WORK / f'{row.name}_seed{run["seed"]}' / 'views' / f'{last:05d}_{tables.tested(run)}_{number}.png'
            if kept.is_file():
                cells.append(_colours(kept, dataset.PALETTE))
                titles.append(row.title)
        lines.append(_labelled(cells, titles, 200))
    return _write(f'study_panels_{world}.jpg', np.concatenate(lines))


def film_strip(world: str, palette: Any, number: int = 1) -> str:
    """One frame as the network that labels sees it, evaluation by evaluation; returns the file's name, or ''."""
    found, lines = tables.results(), []
    for name in FILM:
        for run in found.get(f'{world}_{name}', [])[:1]:
            network = 'teacher' if 'teacher' in run['final'] else tables.tested(run)
            folder = WORK / f'{world}_{name}_seed{run["seed"]}' / 'views'
            files = [(p['iter'], folder / f'{p["iter"]:05d}_{network}_{number}.png') for p in run['curve']]
            files = [(iteration, path) for iteration, path in files if path.is_file()]
            if files:
                titles = [f'{name} {network}, {iteration}' for iteration, _ in files]
                lines.append(_labelled([_colours(path, palette) for _, path in files], titles, 200))
    width = max((line.shape[1] for line in lines), default=0)
    padded = [np.pad(line, ((0, 0), (0, width - line.shape[1]), (0, 0)), constant_values=255) for line in lines]
    return _write(f'study_film_{world}.jpg', np.concatenate(padded)) if padded else ''


def _write(name: str, picture: np.ndarray) -> str:
    cv2.imwrite(str(IMAGES / name), picture, [cv2.IMWRITE_JPEG_QUALITY, 85])
    return name


def draw() -> list[str]:
    """All pictures of the worlds that have results; the checkpoints' folders have to be there."""
    import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
    from mmseg_uda.engine import environment
    from mmseg_uda.engine.evaluation_sets import named_test_sets

    drawn = []
    for world, facts in plan.WORLDS.items():
        if (WORK / f'{world}_source_only_seed0' / 'views').is_dir():
            dataset = next(
                iter(named_test_sets(environment.load_config(str(tables.ROOT / facts.target)), 'val').values())
            )
            drawn += [panels(world, dataset), film_strip(world, dataset.PALETTE)]
    return [name for name in drawn if name]

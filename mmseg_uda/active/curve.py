"""mIoU against what was paid, for any number of runs: a table and a picture. Images and pixels are two tables and two
panels."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple, Optional, Sequence

from ..engine.report_runs import read_run
from ..options.active_curve import parse_args
from ..utils.json_files import DamagedFileError, read_record
from .regions import RegionLabels

#: heading of each unit of annotation
UNITS = {'image': 'whole images, % of the pool', 'region': 'pixels of every image, %'}


class Point(NamedTuple):
    """One trained network: unit of its annotation, what was paid (share of the pool, 0 to 1, and amount), mIoU in
    percent."""

    level: str
    share: float
    amount: int
    score: float


def run_points(folder: Path) -> list[Point]:
    """The points of a run: one per round of ``tools/active_loop.py`` (``curve.json``), one for a run that buys by
    itself.

    Raises:
        FileNotFoundError: no label set in ``active``, or no score.
    """
    manifest = folder / 'active' / 'manifest.json'
    if not manifest.is_file():
        raise FileNotFoundError(f'{manifest} does not exist: {folder} is no work folder of an active run')
    stored = read_record(manifest, ('level', 'pool', 'rounds'), 'restore it from a backup')
    curve = folder / 'curve.json'
    if curve.is_file():
        rounds = _rounds(curve)
    else:
        metrics = read_run(str(folder)).metrics
        if 'mIoU' not in metrics:
            raise FileNotFoundError(f'{folder} has no evaluation yet: let the training end, or run tools/test.py')
        rounds = [
            {'images': 0, 'pixels': sum(purchase['pixels'] for purchase in stored['rounds']), 'mIoU': metrics['mIoU']}
        ]
    images = stored['level'] == 'image'
    pool = stored['pool']['images'] if images else stored['pool']['pixels'] or _pool_pixels(folder / 'active')
    counts = [entry['images' if images else 'pixels'] for entry in rounds]
    return [Point(stored['level'], count / pool, count, 100 * entry['mIoU']) for count, entry in zip(counts, rounds)]


def _rounds(path: Path) -> list[dict[str, Any]]:
    try:
        rounds = json.loads(path.read_text(encoding='utf-8'))
        return [{key: entry[key] for key in ('images', 'pixels', 'mIoU')} for entry in rounds]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise DamagedFileError(
            f"'{path}' is damaged ({type(error).__name__}: {error}): start tools/active_loop.py again, which writes it"
        ) from error


def _pool_pixels(label_set: Path) -> int:
    loaded = (RegionLabels.load(path) for path in sorted((label_set / 'regions').rglob('*.npz')))
    return sum(regions.label.size for regions in loaded if regions is not None)


def read_curves(arguments: Sequence[str]) -> dict[str, list[Point]]:
    """Curves from ``NAME=FOLDER,FOLDER`` or ``FOLDER``; points in the order of their price.

    Raises:
        ValueError: a curve mixes the two units.
    """
    curves = {}
    for argument in arguments:
        name, _, folders = argument.rpartition('=')
        points = [point for folder in folders.split(',') for point in run_points(Path(folder))]
        if len({point.level for point in points}) > 1:
            raise ValueError(
                f"'{argument}' puts whole images and pixels into one curve: they are different annotations"
            )
        curves[name or Path(folders.split(',')[0]).name] = sorted(points)
    return curves


def table(curves: dict[str, list[Point]], level: str) -> str:
    """A Markdown table of one unit, a row per point."""
    rows = [
        f'| {name} | {point.amount} | {100 * point.share:.2f} | {point.score:.1f} |'
        for name, points in curves.items()
        for point in points
        if point.level == level
    ]
    return '\n'.join(
        [f'| run | {level}s bought | {UNITS[level]} | mIoU |'.replace('regions', 'pixels'), '|---|---|---|---|', *rows]
    )


def draw(curves: dict[str, list[Point]]) -> Any:
    """A figure with a panel per unit."""
    from matplotlib.figure import Figure

    levels = [level for level in UNITS if any(points[0].level == level for points in curves.values())]
    figure = Figure(figsize=(5.5 * len(levels), 3.8), layout='constrained')
    for axis, level in zip(figure.subplots(1, len(levels), squeeze=False)[0], levels):
        for name, points in curves.items():
            if points[0].level == level:
                axis.plot(
                    [100 * point.share for point in points], [point.score for point in points], marker='o', label=name
                )
        axis.set(xlabel=f'annotated: {UNITS[level]}', ylabel='mIoU (percent)')
        axis.legend()
    return figure


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run ``tools/active_curve.py``."""
    args = parse_args(argv)
    curves = read_curves(args.runs)
    for level in UNITS:
        if any(points[0].level == level for points in curves.values()):
            print(table(curves, level), end='\n\n')
    if args.out:
        args.out.parent.mkdir(parents=True, exist_ok=True)
        draw(curves).savefig(args.out, dpi=110)
        print(f'drawn: {args.out}')

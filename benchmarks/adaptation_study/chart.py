"""Charts of the study: gains over source-only, and the settings with several targets or with labels of the target."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any, NamedTuple, Optional, Sequence

from . import plan
from .figures import ADAPTED, ROOT, Runs, results, scores
from .worlds import WORLDS

CHART = ROOT / 'docs' / 'images' / 'study_gains.png'
SETTINGS = ROOT / 'docs' / 'images' / 'study_settings.png'
#: a bar as trained and one with target statistics: colour and name
LOOKS = (('#4477aa', 'as trained'), ('#ccbb44', 'with target statistics'))
Bars = Sequence[tuple[str, Sequence[float], Sequence[float]]]


class Panel(NamedTuple):
    """Rows side by side.

    Attributes:
        title: above it.
        bars: name, mIoU of every seed as trained, and with target statistics.
        start: source-only by seed, where the bars begin; nothing: at 0.
        end: the oracle by seed, a line.
    """

    title: str
    bars: Bars
    start: Sequence[float] = ()
    end: Sequence[float] = ()


def plot(path: Optional[Path] = None) -> None:
    """Bars of the gains over source-only, one target without labels, a panel for each world."""
    found, panels = results(), []
    for world, facts in WORLDS.items():
        baseline, oracle = (found.get(f'{world}_{name}', []) for name in ('source_only', 'oracle'))
        rows = [row for row in plan.ROWS if row.world == world and row.setting == 'uda' and found.get(row.name)]
        shown = [row for row in rows if row.title not in ('source-only', 'oracle')]
        bars: list[tuple[str, Sequence[float], Sequence[float]]] = [('AdaBN', [], scores(baseline, suffix=ADAPTED))]
        bars += [_bars(row.title, found[row.name]) for row in shown]
        panels.append(Panel(facts.title, bars, scores(baseline), scores(oracle)))
    _draw(panels, path or CHART)


def plot_settings(path: Optional[Path] = None) -> None:
    """Bars of mIoU in the settings with several targets or with labels of the target, a panel for each; none: no
    file."""
    found, panels = results(), []
    for setting, title in (('targets', 'two targets'), ('few_labels', 'ten labels'), ('active', 'bought labels')):
        rows = [row for row in plan.ROWS if row.setting == setting and found.get(row.name)]
        if rows:
            panels.append(Panel(f'Toy world: {title}', [_bars(row.title, found[row.name]) for row in rows]))
    if panels:
        _draw(panels, path or SETTINGS)


def _bars(title: str, runs: Runs) -> tuple[str, list[float], list[float]]:
    """mIoU of all seeds as trained and with target statistics."""
    return title, scores(runs), scores(runs, suffix=ADAPTED)


def _draw(panels: Sequence[Panel], path: Path) -> None:
    """Panels side by side."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=(5 * len(panels), 4), constrained_layout=True, squeeze=False)
    for axis, panel in zip(axes[0], panels):
        start = statistics.mean(panel.start) if panel.start else 0.0
        for place, (_, *both) in enumerate(panel.bars):
            for values, offset, look in zip(both, (-0.2, 0.2), LOOKS):
                _bar(axis, place + offset, values, start, *look)
        axis.set_yticks(range(len(panel.bars)), [name for name, _, _ in panel.bars])
        axis.axvline(start, color='black', linewidth=0.8)
        if len(panel.start) > 1:
            error = statistics.stdev(panel.start)
            axis.axvspan(
                start - error, start + error, color='black', alpha=0.12, linewidth=0, zorder=0, label='source-only'
            )
        if panel.end:
            axis.axvline(statistics.mean(panel.end), color='#228833', linestyle='--', label='oracle')
        axis.invert_yaxis()
        axis.set_title(panel.title, fontsize=10)
        axis.set_xlabel('mIoU, bars from that of source-only' if panel.start else 'mIoU')
    handles, labels = axes[0][-1].get_legend_handles_labels()
    named = dict(zip(labels, handles))
    figure.legend(named.values(), named.keys(), loc='outside lower center', ncols=len(named), frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _bar(axis: Any, place: float, values: Sequence[float], start: float, color: str, label: str) -> None:
    """From ``start`` to the mean of some figures, with the standard deviation where there are several seeds."""
    if values:
        error = statistics.stdev(values) if len(values) > 1 else None
        width = statistics.mean(values) - start
        axis.barh(place, width, 0.38, left=start, xerr=error, color=color, capsize=3, label=label)

"""Charts of the study: gains over source-only, and the settings with several targets or with labels of the target."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any, Optional, Sequence

from . import plan
from .figures import ADAPTED, ROOT, Runs, gain, results, scores, spread
from .worlds import WORLDS

CHART = ROOT / 'docs' / 'images' / 'study_gains.png'
SETTINGS = ROOT / 'docs' / 'images' / 'study_settings.png'
#: a bar as trained and one with target statistics: colour and name
LOOKS = (('#4477aa', 'as trained'), ('#ccbb44', 'with target statistics'))
Bars = Sequence[tuple[str, Sequence[float], Sequence[float]]]


def plot(path: Optional[Path] = None) -> None:
    """Bars of the gains over source-only, one target without labels, a panel for each world."""
    found, panels = results(), []
    for world, facts in WORLDS.items():
        baseline, oracle = (found.get(f'{world}_{name}', []) for name in ('source_only', 'oracle'))
        rows = [row for row in plan.ROWS if row.world == world and row.setting == 'uda' and found.get(row.name)]
        shown = [row for row in rows if row.title not in ('source-only', 'oracle')]
        bars: list[tuple[str, Sequence[float], Sequence[float]]] = [('AdaBN', [], gain(baseline, baseline, ADAPTED))]
        bars += [(row.title, *_both(found[row.name], baseline)) for row in shown]
        label = f'mIoU over source-only ({spread(scores(baseline))}; oracle {spread(scores(oracle))})'
        panels.append((facts.title, label, bars))
    _draw(panels, path or CHART)


def plot_settings(path: Optional[Path] = None) -> None:
    """Bars of mIoU in the settings with several targets or with labels of the target, a panel for each; none: no
    file."""
    found, panels = results(), []
    for setting, title in (('targets', 'two targets'), ('few_labels', 'ten labels'), ('active', 'bought labels')):
        rows = [row for row in plan.ROWS if row.setting == setting and found.get(row.name)]
        bars = [(row.title, scores(found[row.name]), scores(found[row.name], suffix=ADAPTED)) for row in rows]
        if bars:
            panels.append((f'Toy world: {title}', 'mIoU', bars))
    if panels:
        _draw(panels, path or SETTINGS)


def _both(runs: Runs, baseline: Runs) -> tuple[list[float], list[float]]:
    """Gains as trained and with target statistics."""
    return gain(runs, baseline), gain(runs, baseline, ADAPTED)


def _draw(panels: Sequence[tuple[str, str, Bars]], path: Path) -> None:
    """Panels of (title, axis label, bars) side by side, bars with their standard deviation."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    figure, axes = plt.subplots(1, len(panels), figsize=(5 * len(panels), 4), constrained_layout=True, squeeze=False)
    for axis, (title, label, bars) in zip(axes[0], panels):
        for place, (_, *both) in enumerate(bars):
            for values, offset, (color, name) in zip(both, (-0.2, 0.2), LOOKS):
                _bar(axis, place + offset, values, color, name)
        axis.set_yticks(range(len(bars)), [name for name, _, _ in bars])
        axis.axvline(0, color='black', linewidth=0.8)
        axis.invert_yaxis()
        axis.set_title(title, fontsize=10)
        axis.set_xlabel(label)
    handles, labels = axes[0][-1].get_legend_handles_labels()
    named = dict(zip(labels, handles))
    figure.legend(named.values(), named.keys(), loc='outside lower center', ncols=2, frameon=False)
    figure.savefig(path, dpi=110)
    plt.close(figure)


def _bar(axis: Any, place: float, values: Sequence[float], color: str, label: str) -> None:
    """The mean of some figures, with the standard deviation where there are several seeds."""
    if values:
        error = statistics.stdev(values) if len(values) > 1 else None
        axis.barh(place, statistics.mean(values), 0.38, xerr=error, color=color, capsize=3, label=label)

"""The chart of gains over source-only."""

from __future__ import annotations

import statistics
from pathlib import Path
from typing import Any, Optional, Sequence

from . import plan
from .figures import ADAPTED, ROOT, gain, results, scores, spread
from .worlds import WORLDS

CHART = ROOT / 'docs' / 'images' / 'study_gains.png'


def plot(path: Optional[Path] = None) -> None:
    """Bars of the gains over source-only, with the standard deviation over the seeds."""
    import matplotlib

    matplotlib.use('Agg')
    from matplotlib import pyplot as plt

    found = results()
    figure, axes = plt.subplots(1, len(WORLDS), figsize=(5 * len(WORLDS), 4), constrained_layout=True)
    for axis, (world, facts) in zip(axes, WORLDS.items()):
        baseline, oracle = (found.get(f'{world}_{name}', []) for name in ('source_only', 'oracle'))
        rows = [row for row in plan.ROWS if row.world == world and row.setting == 'uda' and found.get(row.name)]
        shown = [row for row in rows if row.title not in ('source-only', 'oracle')]
        bars = [('AdaBN', [], gain(baseline, baseline, ADAPTED))]
        bars += [(row.title, *(gain(found[row.name], baseline, suffix) for suffix in ('', ADAPTED))) for row in shown]
        for place, (_, plain, adapted) in enumerate(bars):
            _bar(axis, place - 0.2, plain, '#4477aa', 'as trained')
            _bar(axis, place + 0.2, adapted, '#ccbb44', 'with target statistics')
        axis.set_yticks(range(len(bars)), [title for title, _, _ in bars])
        axis.axvline(0, color='black', linewidth=0.8)
        axis.invert_yaxis()
        axis.set_title(facts.title, fontsize=10)
        axis.set_xlabel(f'mIoU over source-only ({spread(scores(baseline))}; oracle {spread(scores(oracle))})')
    handles, labels = axes[-1].get_legend_handles_labels()
    named = dict(zip(labels, handles))
    figure.legend(named.values(), named.keys(), loc='outside lower center', ncols=2, frameon=False)
    figure.savefig(path or CHART, dpi=110)


def _bar(axis: Any, place: float, values: Sequence[float], color: str, label: str) -> None:
    """The mean of some gains, with the standard deviation where there are several seeds."""
    if values:
        error = statistics.stdev(values) if len(values) > 1 else None
        axis.barh(place, statistics.mean(values), 0.38, xerr=error, color=color, capsize=3, label=label)

"""The drawings of a report: small SVG figures that follow the page's text colour, so that they suit light and dark."""

from __future__ import annotations

import io
import math
import re
from typing import Any, Callable, Optional, Sequence

import numpy as np

from .report_runs import Curve, Row

#: drawn in place of the page's text colour
_INK = '#010203'
_RC: Any = {
    **{key: _INK for key in ('text.color', 'axes.edgecolor', 'axes.labelcolor', 'xtick.color', 'ytick.color')},
    'svg.fonttype': 'none',
    'text.parse_math': False,
    'axes.spines.top': False,
    'axes.spines.right': False,
    'axes.grid': True,
    'grid.color': '#808080',
    'grid.alpha': 0.25,
    'font.size': 9,
    'legend.frameon': False,
}
#: small figures of one kind at most, and classes and rows drawn in one
MOST_FIGURES, MOST_HEAT_MAPS = 18, 6


def color(number: int) -> str:
    """Colour of a row, readable on white and on black."""
    colors = ('#3b82c4', '#e07b28', '#3f9d55', '#c94f4f', '#8b6fc0', '#94684e', '#cf6fb0', '#7f7f7f')
    return colors[number % len(colors)]


def drawn(draw: Callable[[Any], None], width: float = 4.4, height: float = 2.9) -> str:
    """SVG text of a figure whose one axis ``draw`` fills."""
    from matplotlib import rc_context
    from matplotlib.figure import Figure

    with rc_context(_RC):
        figure = Figure(figsize=(width, height), layout='constrained')
        draw(figure.subplots())
        buffer = io.StringIO()
        figure.savefig(buffer, format='svg', transparent=True, metadata={'Date': None})
    text = buffer.getvalue()
    text = text[text.index('<svg') :]
    text = re.sub(r'<metadata>.*?</metadata>', '', text, flags=re.S)
    text = re.sub(r' xmlns(:\w+)?="[^"]*"', '', text).replace('xlink:href', 'href')
    return text.replace(_INK, 'currentColor')


def curves(
    rows: Sequence[Row], curve_of: Callable[[Any], Curve], title: str, log: bool = False, marks: bool = False
) -> str:
    """A curve per run that has one; runs of a row have its colour, which is the same in all figures."""

    def draw(axis: Any) -> None:
        for number, row in enumerate(rows):
            for i, run in enumerate(row.runs):
                points = [(x, y) for x, y in curve_of(run) if math.isfinite(y)]
                if points:
                    x, y = zip(*points)
                    few = marks or len(points) < 3
                    label = row.title if i == 0 else None
                    axis.plot(x, y, color=color(number), label=label, linewidth=1.2, marker='o' * few or None, ms=3)
        axis.set(xlabel='iteration', title=title)
        if log and all(y > 0 for row in rows for run in row.runs for _, y in curve_of(run)):
            axis.set_yscale('log')
            axis.yaxis.set_major_formatter(lambda y, _: f'{y:g}')
            axis.yaxis.set_minor_formatter(lambda y, _: f'{y:g}' if f'{y:e}'[0] in '25' else '')
        if len(rows) > 1:
            axis.legend(fontsize=7)

    return drawn(draw)


def bars(rows: Sequence[Row], classes: Sequence[str]) -> str:
    """IoU of every class side by side."""

    def draw(axis: Any) -> None:
        width = 0.8 / len(rows)
        for i, row in enumerate(rows):
            left = np.arange(len(classes)) + (i - (len(rows) - 1) / 2) * width
            keys = [f'IoU.{name}' for name in classes]
            spreads = [row.spread(key) or 0.0 for key in keys]
            errors = dict(yerr=spreads, ecolor=_INK, error_kw=dict(lw=0.8)) if any(spreads) else {}
            axis.bar(
                left, np.nan_to_num([row.mean(key) for key in keys]), width, label=row.title, color=color(i), **errors
            )
        axis.set(ylabel='IoU (percent)', xticks=range(len(classes)))
        axis.set_xticklabels(classes, rotation=40, ha='right')
        axis.grid(axis='x', visible=False)
        if len(rows) > 1:
            axis.legend(fontsize=8)

    return drawn(draw, width=max(5.0, 0.5 * len(classes) + 1.5), height=3.4)


def confusion(matrix: np.ndarray, classes: Sequence[str]) -> str:
    """Shares of the pixels of every true class (rows) by predicted class."""

    def draw(axis: Any) -> None:
        _heat(axis, matrix, 1.0)
        axis.set(xlabel='predicted', ylabel='truth', xticks=range(len(classes)), yticks=range(len(classes)))
        axis.set_xticklabels(classes, rotation=90, fontsize=7)
        axis.set_yticklabels(classes, fontsize=7)
        axis.tick_params(length=0)

    size = 1.8 + 0.19 * len(classes)
    return drawn(draw, size, size)


def class_shares(points: Sequence[tuple[int, dict[str, Any]]], title: str) -> str:
    """Share of every class among the kept pseudo-labels, over iterations."""
    classes = list(points[0][1].get('share', {}))
    values = np.array([[one['share'].get(name, 0.0) for _, one in points] for name in classes], float)

    def draw(axis: Any) -> None:
        _heat(
            axis, np.sqrt(values), None, aspect='auto', extent=(points[0][0], points[-1][0], len(classes) - 0.5, -0.5)
        )
        axis.set(xlabel='iteration', title=title, yticks=range(len(classes)))
        axis.set_yticklabels(classes, fontsize=7)

    return drawn(draw, 4.4, max(2.0, 0.16 * len(classes) + 0.9))


def _heat(axis: Any, values: np.ndarray, top: Optional[float], **options: Any) -> None:
    from matplotlib.colors import LinearSegmentedColormap

    shades = LinearSegmentedColormap.from_list('shades', [(0.23, 0.51, 0.77, 0.0), (0.23, 0.51, 0.77, 1.0)])
    axis.imshow(values, cmap=shades, vmin=0, vmax=top, interpolation='nearest', **options)
    axis.grid(visible=False)

"""The page of a report: what its template (``report.html.jinja``) is filled with."""

from __future__ import annotations

import base64
import math
from dataclasses import dataclass, field
from typing import Any, Optional, Sequence

import cv2
import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined

from . import report_figures as figures
from .report_runs import Row, RunLog, colors_of, settings_of

#: a gain below this many percent points is neither up nor down
_EVEN = 0.05
#: confusions listed
_LISTED = 8


@dataclass
class Panel:
    """One row of pictures.

    Attributes:
        name: file name of the image.
        pictures: RGB uint8 images of equal height by column title.
        data_set: name of the test set, where a report has several.
    """

    name: str
    pictures: dict[str, np.ndarray]
    data_set: str = ''


@dataclass
class Extra:
    """A further picture of a report, such as a clip.

    Attributes:
        title: stands above it.
        data: the file's bytes.
        kind: ``png``, ``jpeg``, ``gif`` or ``webp``.
    """

    title: str
    data: bytes
    kind: str = 'png'


@dataclass
class Page:
    """What a report shows.

    Attributes:
        rows: the runs that are compared.
        panels: evenly spaced test images.
        worst: the images on which the networks err most, with error maps.
        clips: frames of videos with what the networks make of them.
        extras: further pictures, in order, after everything else.
        baseline: the row that gains are measured against; None: no gains.
    """

    rows: Sequence[Row]
    panels: Sequence[Panel] = ()
    worst: Sequence[Panel] = ()
    clips: Sequence[Panel] = ()
    extras: Sequence[Extra] = field(default_factory=list)
    baseline: Optional[Row] = None


def render(page: Page) -> str:
    """The HTML text of a report."""
    environment = Environment(
        loader=PackageLoader('mmseg_uda.engine', '.'),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    rows = page.rows
    scored = [row for row in rows if row.first.metrics]
    return environment.get_template('report.html.jinja').render(
        title=' / '.join(row.title for row in rows),
        colors=colors_of(rows),
        table=_table(scored, page.baseline) if scored else None,
        curves=_curves(rows),
        losses=_figures_of(rows),
        pseudo_labels=_pseudo_labels(rows),
        bars=figures.bars(scored, scored[0].first.classes) if scored and scored[0].first.classes else None,
        confusions=_confusions(rows),
        panels=_panel_table(page.panels),
        worst=_panel_table(page.worst),
        clips=_panel_table(page.clips),
        extras=[(extra.title, _embedded(extra.data, extra.kind)) for extra in page.extras],
        settings=_settings(rows),
    )


# ---- numbers
# --------------------------------------------------------------------------------------------------------------------
def _table(rows: Sequence[Row], baseline: Optional[Row]) -> dict[str, Any]:
    baseline = baseline if baseline in rows else None
    gaining = [row for row in rows if baseline is not None and row is not baseline]
    first = rows[0].first
    names = [(name, f'IoU.{name}', False) for name in first.classes]
    names += [(key, key, True) for key in first.metrics if key.startswith(('mIoU', 'mAcc', 'aAcc', 'temporal'))]
    lines = []
    for label, key, is_mean in names:
        values = [dict(mean=_number(row.mean(key)), spread=row.spread(key), runs=len(row.values(key))) for row in rows]
        gains = [_gain(row.mean(key), baseline.mean(key)) for row in gaining if baseline is not None]
        lines.append(dict(label=label, is_mean=is_mean, cells=values, gains=gains))
    return dict(
        titles=[f'{row.title} ({len(row.runs)} runs)' if len(row.runs) > 1 else row.title for row in rows],
        gaining=[row.title for row in gaining],
        baseline=baseline.title if baseline is not None else None,
        several=any(len(row.runs) > 1 for row in rows),
        lines=lines,
    )


def _number(value: float) -> Optional[float]:
    return None if math.isnan(value) else value


def _gain(value: float, base: float) -> dict[str, Any]:
    if math.isnan(value) or math.isnan(base):
        return dict(value=None, kind='')
    gain = value - base
    return dict(value=gain, kind='' if abs(gain) < _EVEN else 'up' if gain > 0 else 'down')


def _settings(rows: Sequence[Row]) -> dict[str, Any]:
    runs = [run for row in rows for run in row.runs]
    texts = [settings_of(run) for run in runs]
    keys = list(dict.fromkeys(key for one in texts for key in one))
    lines: list[dict[str, Any]] = [dict(key=key, values=[one.get(key, '') for one in texts]) for key in keys]
    for line in lines:
        line['same'] = len(runs) > 1 and len(set(line['values'])) == 1
    return dict(titles=[run.title for run in runs], lines=lines)


# ---- curves
# --------------------------------------------------------------------------------------------------------------------
def _curves(rows: Sequence[Row]) -> list[str]:
    drawn = []
    if any(run.loss for row in rows for run in row.runs):
        drawn.append(figures.curves(rows, lambda run: run.loss, 'total loss', log=True))
    if any(run.scores for row in rows for run in row.runs):
        percent = lambda run: [(i, 100 * score) for i, score in run.scores]  # noqa: E731
        drawn.append(figures.curves(rows, percent, 'mIoU (percent)', marks=True))
    return drawn


def _figures_of(rows: Sequence[Row]) -> list[str]:
    names = list(dict.fromkeys(name for row in rows for run in row.runs for name in run.figures))
    names = [name for name in names if not name.startswith('pseudo')]
    drawn = []
    for name in names[: figures.MOST_FIGURES]:
        drawn.append(figures.curves(rows, _figure_curve(name), name, log='loss' in name))
    return drawn


def _figure_curve(name: str) -> Any:
    return lambda run: run.figures.get(name, [])


def _pseudo_labels(rows: Sequence[Row]) -> list[str]:
    """Curves of kept share, weight, confidence and accuracy for every view, and the classes over time."""
    views = list(dict.fromkeys(view for row in rows for run in row.runs for view in run.pseudo_labels))
    drawn, maps = [], []
    for view in views:
        for key in ('kept', 'weight', 'confidence', 'accuracy', 'kept_accuracy'):
            curve = _quality_curve(view, key)
            if any(curve(run) for row in rows for run in row.runs):
                drawn.append(figures.curves(rows, curve, f'{view}: {_QUALITY[key]}'))
        for row in rows:
            points = row.first.pseudo_labels.get(view, [])
            if len(points) > 1 and any(one.get('share') for _, one in points):
                maps.append(figures.class_shares(points, f'{row.title}, {view}: classes kept (root of the share)'))
    return drawn + maps[: figures.MOST_HEAT_MAPS]


_QUALITY = dict(
    kept='share of pixels with a weight',
    weight='mean weight',
    confidence="teacher's mean confidence",
    accuracy='accuracy',
    kept_accuracy='accuracy of pixels with a weight',
)


def _quality_curve(view: str, key: str) -> Any:
    def curve(run: RunLog) -> list[tuple[int, float]]:
        return [(i, float(one[key])) for i, one in run.pseudo_labels.get(view, []) if one.get(key) is not None]

    return curve


def _confusions(rows: Sequence[Row]) -> list[dict[str, Any]]:
    found = []
    for row in rows:
        for name, one in row.first.errors.items():
            matrix = np.array(one['confusion'], float)
            shares = matrix / np.maximum(matrix.sum(1, keepdims=True), 1)
            many = len(row.first.errors) > 1
            found.append(
                dict(
                    title=f'{row.first.title}, {name}' if many else row.first.title,
                    figure=figures.confusion(shares, one['classes']),
                    most=_most_confused(shares, matrix, one['classes']),
                )
            )
    return found[: figures.MOST_HEAT_MAPS]


def _most_confused(shares: np.ndarray, matrix: np.ndarray, classes: Sequence[str]) -> list[tuple[str, str, float]]:
    wrong = matrix * (1 - np.eye(len(classes)))
    order = np.argsort(-wrong, axis=None)[:_LISTED]
    pairs = [np.unravel_index(i, wrong.shape) for i in order]
    return [(classes[t], classes[p], 100 * float(shares[t, p])) for t, p in pairs if wrong[t, p] > 0]


# ---- pictures
# --------------------------------------------------------------------------------------------------------------------
def _panel_table(panels: Sequence[Panel]) -> Optional[dict[str, Any]]:
    if not panels:
        return None
    titles = list(panels[0].pictures)
    lines: list[dict[str, Any]] = []
    shown = ''
    for panel in panels:
        cells = [_embedded(_jpeg(picture), 'jpeg') for picture in panel.pictures.values()]
        new = panel.data_set if panel.data_set != shown else ''
        shown = panel.data_set
        lines.append(dict(name=panel.name, part=new, cells=cells))
    return dict(titles=titles, lines=lines)


def _jpeg(picture: np.ndarray) -> bytes:
    return cv2.imencode('.jpg', picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes()


def _embedded(data: bytes, kind: str) -> str:
    """A data URL."""
    return f'data:image/{kind};base64,{base64.b64encode(data).decode()}'

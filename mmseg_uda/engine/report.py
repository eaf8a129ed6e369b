"""One self-contained HTML file about one or several runs (``tools/report.py``)."""

from __future__ import annotations

import base64
import html
import io
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import cv2
import numpy as np
import torch
from mmcv.utils import import_modules_from_strings

from ..options.report import parse_args
from ..utils.checkpoint_io import replacing
from .report_clips import ClipReport, make_clips
from .report_data import Panel, RunLog, make_panels, read_run

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; color: #222; max-width: 1200px; margin: 2em auto; padding: 0 1em }
h1 { font-size: 1.5em } h2 { font-size: 1.15em; margin-top: 2em }
table { border-collapse: collapse } td, th { padding: .2em .8em; text-align: right; border-bottom: 1px solid #e4e4e4 }
td:first-child, th:first-child { text-align: left } tr.mean td { font-weight: bold; border-top: 2px solid #999 }
.up { color: #14762c } .down { color: #b3261e } .small { color: #666; font-size: .85em }
.scroll { overflow-x: auto } .panels td, .panels th { padding: 2px; border: 0; text-align: center }
.panels .part { text-align: left; padding-top: .8em } img { max-width: 100% }
"""


def main(argv: Optional[Sequence[str]] = None) -> Path:
    """Write the report and print its path."""
    args = parse_args(argv)
    import_modules_from_strings(args.imports)
    runs = [read_run(argument) for argument in args.runs]
    device = torch.device(args.device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    panels = make_panels(runs, args.images, device)
    out = Path(args.out) if args.out else runs[0].folder / 'report.html'
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as temporary:
        temporary.write_text(render(runs, panels, make_clips(runs, args.images, device)), encoding='utf-8')
    if args.panel_image and panels:
        write_panel_image(Path(args.panel_image), panels)
    print(out)
    return out


def render(runs: Sequence[RunLog], panels: Sequence[Panel], clips: Optional[ClipReport] = None) -> str:
    """The HTML text of a report."""
    parts = [
        f'<!doctype html><meta charset="utf-8"><title>Report</title><style>{STYLE}</style>',
        f'<h1>{html.escape(" / ".join(run.title for run in runs))}</h1>',
    ]
    scored = [run for run in runs if run.metrics]
    if scored:
        parts += ['<h2>IoU per class (percent)</h2>', _table(scored)]
    if any(run.loss for run in runs):
        parts += ['<h2>Curves</h2>', _picture(_curves(runs))]
    if scored and scored[0].classes:
        parts += ['<h2>Classes side by side</h2>', _picture(_bars(scored))]
    if panels:
        parts += ['<h2>Pictures</h2>', _panel_table(panels)]
    if clips is not None and clips.panels:
        parts += ['<h2>Clips</h2>', _panel_table(clips.panels)]
    for title, figure in (clips.fusions if clips is not None else {}).items():
        parts += [f'<h2>Fusion weights: {html.escape(title)}</h2>', _picture(figure)]
    folders = ', '.join(html.escape(f'{run.title}: {run.folder}') for run in runs)
    return '\n'.join([*parts, f'<p class="small">Runs: {folders}</p>'])


def _table(runs: Sequence[RunLog]) -> str:
    first = runs[0]
    head = ''.join(f'<th>{html.escape(run.title)}' for run in runs) + ''.join(
        f'<th>gain of {html.escape(run.title)}' for run in runs[1:]
    )
    keys = [(name, f'IoU.{name}', '') for name in first.classes]
    keys += [(key, key, ' class="mean"') for key in first.metrics if key.startswith('mIoU')]
    rows = []
    for label, key, attribute in keys:
        values = [100 * run.metrics.get(key, float('nan')) for run in runs]
        cells = ''.join(f'<td>{value:.1f}' for value in values)
        cells += ''.join(
            f'<td class="{"up" if value >= values[0] else "down"}">{value - values[0]:+.1f}' for value in values[1:]
        )
        rows.append(f'<tr{attribute}><td>{html.escape(label)}{cells}')
    return f'<div class="scroll"><table><tr><th>class{head}{"".join(rows)}</table></div>'


def _figure(width: float, height: float, columns: int = 1) -> Any:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout='constrained')
    return figure, figure.subplots(1, columns, squeeze=False)[0]


def _curves(runs: Sequence[RunLog]) -> Any:
    with_scores = any(run.scores for run in runs)
    figure, axes = _figure(11, 3.6, 2 if with_scores else 1)
    for run in runs:
        if run.loss:
            iterations, values = (np.array(column, dtype=float) for column in zip(*run.loss))
            axes[0].plot(iterations, values, label=run.title)
        if run.scores:
            axes[1].plot(
                [i for i, _ in run.scores], [100 * score for _, score in run.scores], marker='o', label=run.title
            )
    axes[0].set(xlabel='iteration', ylabel='total loss', yscale='log')
    axes[0].legend()
    if with_scores:
        axes[1].set(xlabel='iteration', ylabel='mIoU (percent)')
        axes[1].legend()
    return figure


def _bars(runs: Sequence[RunLog]) -> Any:
    classes = runs[0].classes
    figure, (axis,) = _figure(11, 3.8)
    width = 0.8 / len(runs)
    for i, run in enumerate(runs):
        axis.bar(
            np.arange(len(classes)) + (i - (len(runs) - 1) / 2) * width,
            [100 * run.metrics.get(f'IoU.{name}', 0) for name in classes],
            width,
            label=run.title,
        )
    axis.set(ylabel='IoU (percent)', xticks=range(len(classes)))
    axis.set_xticklabels(classes, rotation=40, ha='right')
    axis.legend()
    return figure


def _picture(figure: Any) -> str:
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=110)
    return _embedded(buffer.getvalue())


def _embedded(png: bytes, kind: str = 'png') -> str:
    return f'<img alt="" src="data:image/{kind};base64,{base64.b64encode(png).decode()}">'


def _panel_table(panels: Sequence[Panel]) -> str:
    titles = list(panels[0].pictures)
    rows = [''.join(f'<th>{html.escape(title)}' for title in titles)]
    shown = ''
    for panel in panels:
        if panel.data_set != shown:
            rows.append(f'<th class="part" colspan="{len(titles)}">{html.escape(panel.data_set)}')
            shown = panel.data_set
        cells = [
            _embedded(cv2.imencode('.jpg', picture[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, 88])[1].tobytes(), 'jpeg')
            for picture in panel.pictures.values()
        ]
        rows.append(''.join(f'<td>{cell}' for cell in cells))
    return f'<div class="scroll"><table class="panels">{"".join(f"<tr>{row}" for row in rows)}</table></div>'


def write_panel_image(path: Path, panels: Sequence[Panel]) -> None:
    """Write the panels as one picture with titles of columns and test sets (PNG or JPEG by the suffix)."""
    rows = [
        np.concatenate(
            [np.pad(picture, ((2, 2), (2, 2), (0, 0)), constant_values=255) for picture in panel.pictures.values()], 1
        )
        for panel in panels
    ]
    width = max(row.shape[1] for row in rows)
    lefts = np.cumsum([0, *(picture.shape[1] + 4 for picture in panels[0].pictures.values())])
    parts = [_title_bar(width, dict(zip(panels[0].pictures, lefts)))]
    shown = ''
    for panel, row in zip(panels, rows):
        if panel.data_set != shown:
            shown = panel.data_set
            parts.append(_title_bar(width, {shown: 0}))
        parts.append(np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255))
    path.parent.mkdir(parents=True, exist_ok=True)
    picture = np.concatenate(parts)
    if not cv2.imwrite(str(path), np.ascontiguousarray(picture[..., ::-1])):
        raise OSError(f"cannot write '{path}'")


def _title_bar(width: int, titles: Mapping[str, int]) -> np.ndarray:
    """A white strip with titles at their left edges in pixels."""
    bar = np.full((28, width, 3), 255, np.uint8)
    for title, left in titles.items():
        cv2.putText(bar, title, (int(left) + 6, 20), cv2.FONT_HERSHEY_SIMPLEX, 0.6, (30, 30, 30), 1, cv2.LINE_AA)
    return bar

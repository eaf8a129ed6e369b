"""One self-contained HTML file about one or several runs (``tools/report.py``)."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import cv2
import numpy as np
import torch
from mmcv.utils import import_modules_from_strings

from ..options.report import parse_args
from ..utils.checkpoint_io import replacing
from .report_clips import make_clips
from .report_data import make_pictures
from .report_page import Extra, Page, Panel, render
from .report_runs import Row, read_row

#: suffix of a further picture -> its kind in a data URL
KINDS = {'.png': 'png', '.jpg': 'jpeg', '.jpeg': 'jpeg', '.gif': 'gif', '.webp': 'webp'}


def main(argv: Optional[Sequence[str]] = None) -> Path:
    """Write the report and print its path."""
    args = parse_args(argv)
    import_modules_from_strings(args.imports)
    rows = [read_row(argument) for argument in args.runs]
    baseline = baseline_of(rows, args.baseline)
    extras = [read_extra(argument) for argument in args.picture]
    device = torch.device(args.device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    panels, worst = make_pictures(rows, args.images, args.worst, device)
    clips = make_clips([row.first for row in rows], args.images, device)
    extras += [Extra(f'Fusion weights: {title}', as_png(figure)) for title, figure in clips.fusions.items()]
    out = Path(args.out) if args.out else rows[0].first.folder / 'report.html'
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as temporary:
        temporary.write_text(render(Page(rows, panels, worst, clips.panels, extras, baseline)), encoding='utf-8')
    if args.panel_image and panels:
        write_panel_image(Path(args.panel_image), panels)
    print(out)
    return out


def baseline_of(rows: Sequence[Row], title: Optional[str]) -> Optional[Row]:
    """The row that gains are measured against: the named one, else the first of several; None for ``none``.

    Raises:
        ValueError: no row has this title.
    """
    if title == 'none' or (title is None and len(rows) < 2):
        return None
    found = [row for row in rows if title in (None, row.title)]
    if not found:
        raise ValueError(f"--baseline '{title}': no run has this title, there are {[row.title for row in rows]}")
    return found[0]


def read_extra(argument: str) -> Extra:
    """Read ``FILE`` or ``TITLE=FILE``.

    Raises:
        ValueError: a file that browsers do not show. FileNotFoundError: there is none.
    """
    title, _, name = argument.rpartition('=')
    path = Path(name)
    if path.suffix.lower() not in KINDS:
        raise ValueError(f"--picture '{path}': a report shows {', '.join(KINDS)}")
    return Extra(title or path.stem, path.read_bytes(), KINDS[path.suffix.lower()])


def as_png(figure: Any) -> bytes:
    """The bytes of a matplotlib figure."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png', dpi=110)
    return buffer.getvalue()


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

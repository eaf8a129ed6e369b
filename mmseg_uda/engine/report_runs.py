"""Reading the logs that runs left in their work folders, for ``tools/report.py``; nothing in them is executed."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, field
from pathlib import Path
from statistics import median
from typing import Any, Iterator, Mapping, Optional, Sequence

from ..utils.config_errors import ConfigError
from ..utils.config_text import read_config_text

Curve = list[tuple[int, float]]
#: entries of a training log line that are no loss and no figure of a method
_NO_FIGURES = ('mode', 'epoch', 'iter', 'iteration', 'lr', 'momentum', 'memory', 'time', 'data_time', 'loss')


@dataclass
class RunLog:
    """Curves, settings and final metrics of one run.

    Attributes:
        title: name in the report.
        folder: the work folder.
        loss: (iteration, total loss) pairs.
        figures: the other entries of log lines, such as separate losses, by name.
        scores: (iteration, mIoU in [0, 1]) pairs of evaluations during training.
        metrics: final metrics in [0, 1], of ``tools/test.py`` when it was run, else of the last evaluation.
        pseudo_labels: (iteration, figures of :func:`~mmseg_uda.engine.pseudo_label_quality.quality_of`) by view.
        errors: what ``tools/test.py`` wrote about confusions and images, by test set.
        meta: meta data of the run.
        seconds: median time of an iteration.
        memory: largest logged memory in MB.
    """

    title: str
    folder: Path
    loss: Curve = field(default_factory=list)
    figures: dict[str, Curve] = field(default_factory=dict)
    scores: Curve = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)
    pseudo_labels: dict[str, list[tuple[int, dict[str, Any]]]] = field(default_factory=dict)
    errors: dict[str, Any] = field(default_factory=dict)
    meta: dict[str, Any] = field(default_factory=dict)
    seconds: Optional[float] = None
    memory: Optional[float] = None

    @property
    def classes(self) -> list[str]:
        """Class names in the order of the metrics."""
        return [key[4:] for key in self.metrics if key.startswith('IoU.')]


@dataclass
class Row:
    """A row of a comparison: one run, or runs of one method with several seeds.

    Attributes:
        title: name in the report.
        runs: at least one.
    """

    title: str
    runs: list[RunLog]

    @property
    def first(self) -> RunLog:
        """The run whose settings and pictures stand for the row."""
        return self.runs[0]

    def values(self, key: str) -> list[float]:
        """A metric in percent, of every run that has it."""
        found = [100 * run.metrics[key] for run in self.runs if key in run.metrics]
        return [value for value in found if not math.isnan(value)]

    def mean(self, key: str) -> float:
        """Mean of a metric in percent; NaN where no run has it."""
        values = self.values(key)
        return sum(values) / len(values) if values else math.nan

    def spread(self, key: str) -> Optional[float]:
        """Standard deviation over the runs (n - 1) in percent points; None of less than two."""
        values = self.values(key)
        if len(values) < 2:
            return None
        mean = sum(values) / len(values)
        return math.sqrt(sum((value - mean) ** 2 for value in values) / (len(values) - 1))


def read_row(argument: str) -> Row:
    """Read ``WORK_DIR``, ``TITLE=WORK_DIR`` or ``TITLE=WORK_DIR,WORK_DIR,...`` (seeds of one method).

    Raises:
        FileNotFoundError: no such folder, or no training log and no test result in it.
    """
    title, _, paths = argument.rpartition('=')
    folders = [paths] if Path(paths).is_dir() else [path for path in paths.split(',') if path] or [paths]
    runs = [read_run(folder) for folder in folders]
    title = title or runs[0].title
    for number, run in enumerate(runs, start=1):
        run.title = title if len(runs) == 1 else f'{title} {number}'
    return Row(title, runs)


def read_run(argument: str) -> RunLog:
    """Read ``WORK_DIR`` or ``TITLE=WORK_DIR``.

    Raises:
        FileNotFoundError: no such folder, or no training log and no test result in it.
    """
    title, _, path = argument.rpartition('=')
    folder = Path(path)
    if not folder.is_dir():
        raise FileNotFoundError(f"work folder '{folder}' does not exist")
    run = RunLog(title or folder.name, folder)
    log = _Log(run)
    for path_of_log in sorted(folder.glob('*.log.json')):
        for number, entry in _json_lines(path_of_log):
            try:
                log.enter(entry)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"line {number} of '{path_of_log}' is damaged ({type(error).__name__}: {error}): delete the line"
                ) from error
    log.finish()
    _read_pseudo_labels(run)
    tests = sorted(folder.glob('test_*.json'), key=lambda file: file.stat().st_mtime)
    if tests:
        run.metrics = _test_metrics(tests[-1])
        run.errors = _errors_of(folder / tests[-1].name.replace('test_', 'errors_', 1))
    if not run.loss and not run.metrics:
        raise FileNotFoundError(
            f"'{folder}' holds neither a training log (*.log.json) nor a test result (test_*.json): is it a work "
            'folder?'
        )
    return run


class _Log:
    """Collects the lines of the logs of a run; a resumed run writes iterations again: the later log counts."""

    def __init__(self, run: RunLog) -> None:
        self.run = run
        self.loss: dict[int, float] = {}
        self.figures: dict[str, dict[int, float]] = {}
        self.scores: dict[int, float] = {}
        self.times: list[float] = []

    def enter(self, entry: Mapping[str, Any]) -> None:
        """Add a line."""
        if 'config' in entry and 'mode' not in entry:
            self.run.meta = dict(entry)
        elif entry.get('mode') == 'train' and 'loss' in entry:
            self._train(entry)
        elif entry.get('mode') == 'val' and 'mIoU' in entry:
            self._evaluation(entry)

    def _train(self, entry: Mapping[str, Any]) -> None:
        iteration = int(entry['iter'])
        self.loss[iteration] = float(entry['loss'])
        for key, value in entry.items():
            if key not in _NO_FIGURES and isinstance(value, (int, float)):
                self.figures.setdefault(key, {})[iteration] = float(value)
        if 'time' in entry:
            self.times.append(float(entry['time']))
        if 'memory' in entry:
            self.run.memory = max(self.run.memory or 0.0, float(entry['memory']))

    def _evaluation(self, entry: Mapping[str, Any]) -> None:
        # logs of older versions do not say which iteration it belongs to; their iter is the number of images
        iteration = int(entry.get('iteration', max(self.loss, default=0)))
        self.scores = {i: score for i, score in self.scores.items() if i < iteration}
        self.scores[iteration] = float(entry['mIoU'])
        others = ('mode', 'epoch', 'iter', 'iteration', 'lr')
        self.run.metrics = {key: float(value) for key, value in entry.items() if key not in others}

    def finish(self) -> None:
        """Put the curves in order."""
        self.run.loss = sorted(self.loss.items())
        self.run.figures = {key: sorted(values.items()) for key, values in self.figures.items()}
        self.run.scores = sorted(self.scores.items())
        self.run.seconds = median(self.times) if self.times else None


def _read_pseudo_labels(run: RunLog) -> None:
    path = run.folder / 'views' / 'pseudo_labels.jsonl'
    if not path.is_file():
        return
    found: dict[str, dict[int, dict[str, Any]]] = {}
    for number, entry in _json_lines(path):
        try:
            for view, figures in entry.items():
                if view != 'iter':
                    found.setdefault(view, {})[int(entry['iter'])] = _numbers(figures)
        except (KeyError, TypeError, ValueError) as error:
            raise ValueError(f"line {number} of '{path}' is damaged ({error}): delete the line") from error
    run.pseudo_labels = {view: sorted(values.items()) for view, values in found.items()}


def _numbers(figures: Mapping[str, Any]) -> dict[str, Any]:
    """Figures as numbers; those by class stay dicts, and what is not known is left out."""
    if not isinstance(figures, Mapping):
        raise TypeError(f'a dict of figures was expected, got {type(figures).__name__}')
    return {
        str(key): _numbers(value) if isinstance(value, Mapping) else float(value)
        for key, value in figures.items()
        if value is not None
    }


def _test_metrics(path: Path) -> dict[str, float]:
    try:
        return {key: float(value) for key, value in json.loads(path.read_text(encoding='utf-8'))['metric'].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"'{path}' is no test result ({type(error).__name__}: {error}): delete it, or run tools/test.py again"
        ) from error


def _errors_of(path: Path) -> dict[str, Any]:
    if not path.is_file():
        return {}
    try:
        found = json.loads(path.read_text(encoding='utf-8'))['data_sets']
        for name, one in found.items():
            size = len(one['classes'])
            if [len(row) for row in one['confusion']] != [size] * size:
                raise ValueError(f'the confusion matrix of {name} is not {size} x {size}')
            one['images'] = [dict(file=str(i['file']), miou=float(i['mIoU'])) for i in one['images']]
        return found
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"'{path}' is damaged ({type(error).__name__}: {error}): delete it, or run tools/test.py again"
        ) from error


def _json_lines(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """The numbered lines of a log that hold an object; the last line of a killed run may be cut."""
    for number, line in enumerate(path.read_text(encoding='utf-8', errors='replace').splitlines(), start=1):
        try:
            entry = json.loads(line)
        except (json.JSONDecodeError, RecursionError):
            continue
        if isinstance(entry, dict):
            yield number, entry


# ---- settings
# --------------------------------------------------------------------------------------------------------------------
def settings_of(run: RunLog) -> dict[str, str]:
    """What a reader has to know about a run, as texts; what the log does not say is left out."""
    meta = run.meta
    environment = dict(re.findall(r'^([\w .]+): (.*)$', str(meta.get('env_info', '')), re.M))
    found = {
        'config': meta.get('exp_name'),
        **_config_settings(meta.get('config')),
        'seed': meta.get('seed'),
        'last iteration logged': run.loss[-1][0] if run.loss else None,
        'seconds per iteration': None if run.seconds is None else f'{run.seconds:.3g}',
        'peak memory': None if run.memory is None else f'{run.memory / 1024:.1f} GiB',
        'device': meta.get('device') or environment.get('GPU 0'),
        'versions': ', '.join(f'{key} {environment[key]}' for key in ('PyTorch', 'mmseg_uda') if key in environment),
        'code': (meta.get('code') or {}).get('code of mmseg_uda') if isinstance(meta.get('code'), Mapping) else None,
        'folder': run.folder,
    }
    return {key: str(value) for key, value in found.items() if value not in (None, '')}


def _config_settings(text: Any) -> dict[str, Any]:
    if not isinstance(text, str):
        return {}
    try:
        cfg = read_config_text(text, 'the config in the log')
    except ConfigError as error:
        return {'settings': f'not readable: {error}'}
    uda, model, data = (cfg.get(key) or {} for key in ('uda', 'model', 'data'))
    optimizer = cfg.get('optimizer') or {}
    named = {'': optimizer} if 'type' in optimizer else optimizer
    return {
        'method': uda.get('type', 'supervised'),
        'network': f'{model.get("type")}, {(model.get("backbone") or {}).get("type")}',
        'iterations': (cfg.get('runner') or {}).get('max_iters'),
        'batch': data.get('samples_per_gpu'),
        'optimiser': ', '.join(f'{k} {o.get("type")}, lr {o.get("lr")}'.strip() for k, o in named.items()),
        'precision': (cfg.get('optimizer_config') or {}).get('precision', 'fp32'),
    }


def colors_of(rows: Sequence[Row]) -> dict[str, tuple[int, int, int]]:
    """Colour (RGB) of every class, of the first run that says so."""
    for row in rows:
        classes, palette = row.first.meta.get('CLASSES'), row.first.meta.get('PALETTE')
        try:
            colors = [(int(red), int(green), int(blue)) for red, green, blue in palette or ()]
        except (TypeError, ValueError):  # somebody else's log
            continue
        if isinstance(classes, list) and colors:
            return dict(zip(map(str, classes), colors))
    return {}

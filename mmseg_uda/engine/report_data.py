"""Reading what a run left in its work folder, for ``tools/report.py``."""

from __future__ import annotations

import contextlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import cv2
import numpy as np
import torch
from mmcv import Config
from mmcv.parallel import collate

from ..datasets.labels import read_picture
from ..utils.checkpoint_io import load_checkpoint_file
from ..utils.config_errors import ConfigError
from ..utils.config_text import read_config_text
from .data import to_device
from .evaluation_sets import PooledSets, named_test_sets
from .inference import inference_mode
from .predictions import colorize
from .test import load_model


@dataclass
class RunLog:
    """Curves and final metrics of one run.

    Attributes:
        title: name in the report.
        folder: the work folder.
        loss: (iteration, total loss) pairs.
        scores: (iteration, mIoU in [0, 1]) pairs of evaluations during training.
        metrics: final metrics in [0, 1], of ``tools/test.py`` when it was run, else of the last evaluation.
    """

    title: str
    folder: Path
    loss: list[tuple[int, float]] = field(default_factory=list)
    scores: list[tuple[int, float]] = field(default_factory=list)
    metrics: dict[str, float] = field(default_factory=dict)

    @property
    def classes(self) -> list[str]:
        """Class names in the order of the metrics."""
        return [key[4:] for key in self.metrics if key.startswith('IoU.')]


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
    seen: dict[int, float] = {}
    for log in sorted(folder.glob('*.log.json')):
        for number, entry in _json_lines(log):
            try:
                _enter(run, seen, entry)
            except (KeyError, TypeError, ValueError) as error:
                raise ValueError(
                    f"line {number} of '{log}' is damaged ({type(error).__name__}: {error}): delete the line"
                ) from error
    run.loss = sorted(seen.items())
    tests = sorted(folder.glob('test_*.json'), key=lambda file: file.stat().st_mtime)
    if tests:
        run.metrics = _test_metrics(tests[-1])
    if not run.loss and not run.metrics:
        raise FileNotFoundError(
            f"'{folder}' holds neither a training log (*.log.json) nor a test result (test_*.json): is it a work "
            'folder?'
        )
    return run


def _enter(run: RunLog, seen: dict[int, float], entry: Mapping[str, Any]) -> None:
    """Add one line of a log; ``seen``: loss by iteration."""
    if entry.get('mode') == 'train' and 'loss' in entry:
        seen[int(entry['iter'])] = float(entry['loss'])  # a resumed run writes iterations again: the later log counts
    elif entry.get('mode') == 'val' and 'mIoU' in entry:
        last = max(seen, default=0)
        run.scores = [pair for pair in run.scores if pair[0] < last] + [(last, float(entry['mIoU']))]
        run.metrics = {key: float(value) for key, value in entry.items() if key not in ('mode', 'epoch', 'iter', 'lr')}


def _test_metrics(path: Path) -> dict[str, float]:
    try:
        return {key: float(value) for key, value in json.loads(path.read_text(encoding='utf-8'))['metric'].items()}
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(
            f"'{path}' is no test result ({type(error).__name__}: {error}): delete it, or run tools/test.py again"
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


def make_panels(runs: Sequence[RunLog], count: int, device: torch.device, height: int = 240) -> list[Panel]:
    """Image, truth and each run's prediction for ``count`` evenly spaced test images of each of the first run's test
    sets.

    Runs without a checkpoint in their folder have no pictures. Nothing in a run's folder is executed: its config is
    read as text (:func:`run_config`).
    """
    usable = [
        (run, run_config(checkpoint), checkpoint)
        for run in (runs if count > 0 else ())
        for checkpoint in [run.folder / 'latest.pth']
        if checkpoint.exists()
    ]
    if not usable:
        return []
    with naming_imports(usable[0][1]):
        datasets = named_test_sets(usable[0][1])
    shown = {
        name: np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(int)).tolist()
        for name, dataset in datasets.items()
    }
    predictions = {
        run.title: _predict(config, checkpoint, datasets, shown, device) for run, config, checkpoint in usable
    }
    panels = []
    for name, dataset in datasets.items():
        for i, index in enumerate(shown[name]):
            pictures = _image_and_truth(dataset, index)
            pictures.update(
                {
                    title: colorize(found[name][i].astype(np.uint8), dataset.PALETTE)
                    for title, found in predictions.items()
                }
            )
            fitted = {title: _fit(picture, height) for title, picture in pictures.items()}
            panels.append(Panel(dataset.img_infos[index]['filename'], fitted, name if len(datasets) > 1 else ''))
    return panels


def _image_and_truth(dataset: Any, index: int) -> dict[str, np.ndarray]:
    if isinstance(dataset, PooledSets):
        dataset, index = dataset.locate(index)
    image = read_picture(Path(dataset.img_dir or '') / dataset.img_infos[index]['filename'])
    pictures = {'image': image[..., ::-1]}
    if dataset.ann_dir is not None:
        pictures['truth'] = colorize(dataset.get_gt_seg_map_by_idx(index).astype(np.uint8), dataset.PALETTE)
    return pictures


@contextlib.contextmanager
def naming_imports(cfg: Config) -> Iterator[None]:
    """Say what to do about a class that only the modules of a run's config know.

    Raises:
        ConfigError: instead of the registry's error.
    """
    try:
        yield
    except KeyError as error:
        if 'registry' not in str(error):
            raise
        own = [name for name in (cfg.get('custom_imports') or {}).get('imports', ()) if name != 'mmseg_uda']
        raise ConfigError(
            f'a run uses a class that is not known here ({error.args[0]}). Modules that it names are not imported by '
            f'themselves: pass --imports {" ".join(own) or "<module>"}, or --images 0 for a report without pictures'
        ) from error


def run_config(checkpoint: Path) -> Config:
    """The resolved config of a run, from its checkpoint or, for older ones, from the copy beside it; read as data.

    Raises:
        ConfigError: there is none, or it holds more than plain values.
    """
    meta = load_checkpoint_file(checkpoint).get('meta')
    text = meta.get('config') if isinstance(meta, Mapping) else None
    if isinstance(text, str):
        return read_config_text(text, f"the config in '{checkpoint}'")
    copies = sorted(checkpoint.parent.glob('*.py'))
    if len(copies) != 1:
        raise ConfigError(
            f"'{checkpoint}' holds no config, and {len(copies)} *.py files lie beside it instead of one: leave the "
            'pictures out with --images 0'
        )
    return read_config_text(copies[0].read_text(encoding='utf-8'), copies[0])


def _predict(
    cfg: Config,
    checkpoint: Path,
    datasets: Mapping[str, Any],
    shown: Mapping[str, Sequence[int]],
    device: torch.device,
) -> dict[str, list[np.ndarray]]:
    """Predictions for the shown images, read as the run's own config says where it tests on them."""
    with naming_imports(cfg):
        model = load_model(cfg, str(checkpoint), None, device)
        own = named_test_sets(cfg)
    found: dict[str, list[np.ndarray]] = {name: [] for name in datasets}
    with inference_mode(model, device):
        for name, dataset in datasets.items():
            same = name in own and own[name].img_infos == dataset.img_infos
            for index in shown[name]:
                batch = collate([(own[name] if same else dataset)[index]], samples_per_gpu=1)
                inputs = to_device({'img': batch['img'][0], 'img_metas': batch['img_metas'][0]}, device)
                found[name].append(model(img=[inputs['img']], img_metas=[inputs['img_metas']], return_loss=False)[0])
    return found


def _fit(picture: np.ndarray, height: int) -> np.ndarray:
    width = round(picture.shape[1] * height / picture.shape[0])
    return cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=cv2.INTER_AREA)

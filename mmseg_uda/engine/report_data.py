"""Pictures of what runs predict, for ``tools/report.py``."""

from __future__ import annotations

import contextlib
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import cv2
import numpy as np
import torch
from mmcv import Config
from mmcv.parallel import collate

from ..datasets.labels import read_picture
from ..ops.labels import IGNORE
from ..utils.checkpoint_io import load_checkpoint_file
from ..utils.config_errors import ConfigError
from ..utils.config_text import read_config_text
from .data import to_device
from .evaluation_sets import PooledSets, named_test_sets
from .image_errors import truth_of
from .inference import inference_mode
from .predictions import colorize
from .report_page import Panel
from .report_runs import Row, RunLog
from .test import load_model


def make_pictures(
    rows: Sequence[Row], count: int, worst: int, device: torch.device, height: int = 240
) -> tuple[list[Panel], list[Panel]]:
    """Image, truth and each row's prediction for test images of each of the first run's test sets; of a row's runs the
    first one predicts.

    Rows without a checkpoint in their folder have no pictures. Nothing in a run's folder is executed: its config is
    read as text (:func:`run_config`).

    Args:
        count: evenly spaced images of every test set.
        worst: images of every test set on which the rows have the lowest mean mIoU (:func:`worst_images`), with maps
            of the errors.
        height: of the pictures in pixels.

    Returns:
        the panels of both kinds.
    """
    runs = [row.first for row in rows]
    usable = [
        (row.title, run_config(checkpoint), checkpoint)
        for row, run in (zip(rows, runs) if count > 0 or worst > 0 else ())
        for checkpoint in [run.folder / 'latest.pth']
        if checkpoint.exists()
    ]
    if not usable:
        return [], []
    with naming_imports(usable[0][1]):
        datasets = named_test_sets(usable[0][1])
    even = {
        name: np.unique(np.linspace(0, len(dataset) - 1, count).round().astype(int)).tolist() if count > 0 else []
        for name, dataset in datasets.items()
    }
    bad = {name: worst_images(runs, name, dataset, worst) for name, dataset in datasets.items()}
    shown = {name: [*even[name], *bad[name]] for name in datasets}
    predictions = {title: _predict(config, checkpoint, datasets, shown, device) for title, config, checkpoint in usable}
    panels: tuple[list[Panel], list[Panel]] = ([], [])
    for name, dataset in datasets.items():
        for i, index in enumerate(shown[name]):
            is_bad = i >= len(even[name])
            pictures = _pictures(
                dataset, index, {title: found[name][i] for title, found in predictions.items()}, is_bad
            )
            fitted = {title: _fit(picture, height) for title, picture in pictures.items()}
            file = dataset.img_infos[index]['filename']
            panels[is_bad].append(Panel(file, fitted, name if len(datasets) > 1 else ''))
    return panels


def worst_images(runs: Sequence[RunLog], name: str, dataset: Any, count: int) -> list[int]:
    """Indices of the images with the lowest mIoU, on average over the runs that ``tools/test.py`` has tested; the worst
    one first."""
    scores: dict[str, list[float]] = {}
    for run in runs:
        for image in run.errors.get(name, {}).get('images', ()):
            scores.setdefault(image['file'], []).append(image['miou'])
    places = {info['filename']: i for i, info in enumerate(dataset.img_infos)}
    ordered = sorted((float(np.mean(values)), file) for file, values in scores.items() if file in places)
    return [places[file] for _, file in ordered[:count]]


def _pictures(
    dataset: Any, index: int, predictions: Mapping[str, np.ndarray], with_errors: bool
) -> dict[str, np.ndarray]:
    pictures = _image_and_truth(dataset, index)
    part, place = dataset.locate(index) if isinstance(dataset, PooledSets) else (dataset, index)
    truth = truth_of(part, place) if with_errors and part.ann_dir is not None else None
    for title, prediction in predictions.items():
        pictures[title] = colorize(prediction.astype(np.uint8), dataset.PALETTE)
        if truth is not None:
            pictures[f'errors of {title}'] = error_map(pictures['image'], prediction, truth)
    return pictures


def error_map(image: np.ndarray, prediction: np.ndarray, truth: np.ndarray) -> np.ndarray:
    """Wrong pixels in red on the grey image, ignored ones dark: RGB uint8 (H, W, 3) of the prediction's size.

    Args:
        image: RGB uint8, of any size.
        prediction: class ids (H, W).
        truth: class ids, 255 = ignored, of any size.
    """
    size = prediction.shape[1], prediction.shape[0]
    grey = cv2.cvtColor(cv2.resize(np.ascontiguousarray(image), size, interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2GRAY)
    truth = cv2.resize(truth.astype(np.uint8), size, interpolation=cv2.INTER_NEAREST)
    shown = np.repeat((96 + grey.astype(np.float32) * 0.6)[..., None], 3, 2)
    shown[truth == IGNORE] *= 0.3
    shown[(truth != IGNORE) & (truth != prediction)] = (220, 40, 40)
    return shown.clip(0, 255).astype(np.uint8)


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

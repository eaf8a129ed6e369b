"""What the network really sees: source, target, mixed and masked images with labels and weights
(``tools/browse_dataset.py``)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import cv2
import numpy as np
from torch import Tensor

from ..datasets.builder import build_training_dataset
from ..methods.base import UDASegmentor
from ..models.modes import set_training_modes
from ..ops.normalize import as_picture
from ..options.browse_dataset import parse_args
from ..options.common import DEFAULT_SEED
from ..utils.checkpoint_io import load_checkpoint_file, state_dict_of
from ..utils.config_errors import naming_config
from ..utils.progress import progress
from ..utils.rng import StepRng, seed_everything
from . import environment
from .data import build_train_loader, to_device
from .predictions import colorize
from .step import batch_size_of
from .train import build_method
from .weights import load_student

Views = Mapping[str, Mapping[str, Tensor]]


def main(argv: Optional[Sequence[str]] = None) -> list[Path]:
    """Write one picture per batch and return their paths."""
    args = parse_args(argv)
    environment.apply_common_arguments(args)
    cfg = environment.load_config(args.config, args.cfg_options)
    device = environment.start_processes(args.launcher, cfg.get('dist_params'), args.device, args.gpu_id)
    seed = args.seed if args.seed is not None else int(cfg.get('seed') or DEFAULT_SEED)
    environment.prepare_data(cfg)
    with naming_config(args.config):
        dataset = build_training_dataset(cfg, seed)
        method = build_method(cfg, seed, device, dataset)
    if args.checkpoint:
        load_student(method, state_dict_of(load_checkpoint_file(args.checkpoint)), args.checkpoint)
    loader = iter(build_train_loader(dataset, {**cfg.data, 'workers_per_gpu': 0}))
    written = []
    for iteration in progress(range(args.batches), 'browse', args.batches):
        batch = to_device(next(loader), device)
        views = observe(method, batch, iteration, seed)
        path = Path(args.out) / f'batch_{iteration:03d}.png'
        save_views(path, views, batch, dataset.PALETTE)
        written.append(path)
    print(f'{len(written)} pictures in {args.out}')
    return written


def observe(method: UDASegmentor, batch: Mapping[str, Any], iteration: int, seed: int) -> dict[str, dict[str, Tensor]]:
    """Run the forward passes of one iteration and return what the networks were shown; nothing is trained."""
    seed_everything(seed, 'iteration', iteration, 0, 0)
    set_training_modes(method)
    method.views = {}
    method.begin_iteration(iteration, StepRng(seed, iteration, batch_size=batch_size_of(batch)))
    for _ in method.training_losses(batch):
        pass
    views, method.views = method.views, None
    return views


def save_views(path: Path, views: Views, batch: Mapping[str, Any], palette: Any) -> None:
    """One row per image and view: image, label or pseudo-label in colours, weight in grey (white = 1)."""
    meta = next(value[0] for key, value in batch.items() if key.endswith('img_metas'))
    rows = []
    for name, view in views.items():
        for i in range(view['img'].shape[0]):
            rows.append(_row(f'{name} {i}', {key: value[i] for key, value in view.items()}, meta, palette))
    width = max(row.shape[1] for row in rows)
    canvas = np.concatenate(
        [np.pad(row, ((0, 0), (0, width - row.shape[1]), (0, 0)), constant_values=255) for row in rows]
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.ascontiguousarray(canvas[..., ::-1])):
        raise OSError(f"cannot write '{path}'")


def _row(title: str, view: Mapping[str, Tensor], meta: Mapping[str, Any], palette: Any) -> np.ndarray:
    image = as_picture(view['img'].float(), meta).permute(1, 2, 0).cpu().numpy()
    cells = [image]
    for key in ('label', 'pseudo_label'):
        if key in view:
            cells.append(colorize(view[key].reshape(image.shape[:2]).cpu().numpy().astype(np.uint8), palette))
    if 'weight' in view:
        weight = view['weight'].reshape(image.shape[:2]).float().clamp(0, 1)
        cells.append(np.repeat((weight * 255).byte().cpu().numpy()[..., None], 3, 2))
    row = np.concatenate([np.pad(cell, ((2, 2), (2, 2), (0, 0)), constant_values=255) for cell in cells], 1)
    head = np.full((20, row.shape[1], 3), 255, np.uint8)
    cv2.putText(head, title, (4, 15), cv2.FONT_HERSHEY_SIMPLEX, 0.5, (30, 30, 30), 1, cv2.LINE_AA)
    return np.concatenate([head, row])

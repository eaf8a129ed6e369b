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
from ..options.browse_dataset import parse_args
from ..options.common import DEFAULT_SEED
from ..utils.checkpoint_io import load_checkpoint_file, state_dict_of
from ..utils.class_lists import check_same_classes
from ..utils.config_errors import naming_config
from ..utils.progress import progress
from ..utils.rng import StepRng, seed_everything
from . import environment
from .config_checks import first_whole_iteration
from .data import build_train_loader, to_device
from .step import batch_size_of
from .train import build_method
from .view_pictures import Views, batch_views, draw_views, meta_of
from .weights import load_student


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
        loaded = load_checkpoint_file(args.checkpoint)
        check_same_classes(loaded.get('meta'), dataset.CLASSES, args.checkpoint)
        load_student(method, state_dict_of(loaded), args.checkpoint)
    loader = iter(build_train_loader(dataset, {**cfg.data, 'workers_per_gpu': 0}))
    first = first_whole_iteration(vars(method))  # before it, parts of the method are not at work yet
    written = []
    for number in progress(range(args.batches), 'browse', args.batches):
        batch = to_device(next(loader), device)
        views = observe(method, batch, first + number, seed)
        path = Path(args.out) / f'batch_{number:03d}.png'
        save_views(path, views, batch, dataset.PALETTE, dataset.CLASSES)
        written.append(path)
    print(f'{len(written)} pictures in {args.out}' + (f', as from iteration {first} on' if first else ''))
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


def save_views(path: Path, views: Views, batch: Mapping[str, Any], palette: Any, classes: Any = None) -> None:
    """Write the views, and what else the batch holds, as one picture."""
    picture = draw_views({**views, **batch_views(batch)}, meta_of(batch), palette, classes)
    path.parent.mkdir(parents=True, exist_ok=True)
    if not cv2.imwrite(str(path), np.ascontiguousarray(picture[..., ::-1])):
        raise OSError(f"cannot write '{path}'")

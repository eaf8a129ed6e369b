"""Predictions for own images (``tools/predict.py``)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Iterable, Optional, Sequence

from ..datasets.class_names import class_names
from ..datasets.labels import CorruptFileError
from ..options.predict import parse_args
from ..utils.progress import progress
from ..utils.threads import Behind
from . import environment
from .predict_inputs import find_images, image_item, test_steps
from .predict_video import predict_video
from .predictions import PredictionWriter
from .predictor import Options, Predictor
from .test import load_model


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Predict all images and return their number."""
    args = parse_args(argv)
    environment.apply_common_arguments(args)
    cfg = environment.load_config(args.config, args.cfg_options)
    device = environment.start_processes(args.launcher, cfg.get('dist_params'), args.device, args.gpu_id)
    images = [] if args.video else find_images(args.inputs)
    check_names(images)
    named = class_names((cfg.get('data') or {}).get('test') or [])
    model = load_model(cfg, args.checkpoint, args.test_with, device, classes=named)
    classes, palette = model.CLASSES, model.PALETTE
    if palette is None and args.format in ('overlay', 'color'):
        raise ValueError(
            f"'{args.checkpoint}' names no PALETTE, which --format {args.format} needs: use --format train_ids"
        )
    predictor = Predictor(model, test_steps(cfg), device, classes, palette)
    options = Options(precision=args.precision, windows_per_batch=args.windows_per_batch)
    if args.video:
        return _predict_video(args, predictor, options)
    writers: dict[Path, PredictionWriter] = {}
    unreadable: list[str] = []

    def leave_out(name: str, error: Exception) -> None:
        unreadable.append(name)
        print(f'left out: {error}', file=sys.stderr)

    folders = {str(image): folder for image, folder in images}
    shown = progress([image for image, _ in images], 'predict', len(images))
    with Behind() as behind:
        for prediction in predictor.run((image_item(image, 0) for image in shown), options, leave_out):
            folder = folders[prediction.name]
            if folder not in writers:
                writers[folder] = PredictionWriter(Path(args.out) / folder, args.format, classes, palette, args.opacity)
            behind(writers[folder].write, prediction.mask, prediction.name)
    print(f'{len(images) - len(unreadable)} predictions in {args.out}', flush=True)
    if unreadable:
        raise CorruptFileError(
            f'{len(unreadable)} of {len(images)} images could not be read and are left out, the others are predicted: '
            + '; '.join(unreadable[:5])
            + (' ...' if len(unreadable) > 5 else '')
        )
    return len(images)


def _predict_video(args: argparse.Namespace, predictor: Predictor, options: Options) -> int:
    if len(args.inputs) != 1:
        raise ValueError(f'--video takes one video file or folder of frames, got {len(args.inputs)} inputs')
    if not predictor.palette:
        raise ValueError(f"'{args.checkpoint}' names no PALETTE, which overlays need")
    found = predict_video(predictor, Path(args.inputs[0]), Path(args.video), args.opacity, options)
    figures = ', '.join(f'{key} {value:.4g}' for key, value in found.items())
    print(f'{args.video}: {figures}', flush=True)
    return int(found['frames'])


def check_names(images: Iterable[tuple[Path, Path]]) -> None:
    """Find out before the first prediction that two would have the same name.

    Raises:
        ValueError: names both images.
    """
    targets: dict[Path, Path] = {}
    for image, folder in images:
        first = targets.setdefault(folder / image.stem, image)
        if first != image:
            raise ValueError(
                f"'{first}' and '{image}' have the same name (without suffix): their predictions would overwrite each "
                'other. Predict them one at a time, with another --out'
            )

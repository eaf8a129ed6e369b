"""Predictions for own images (``tools/predict.py``)."""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import Any, Iterable, Optional, Sequence

from mmcv.parallel import collate
from mmseg.datasets.pipelines import Compose

from ..datasets import image_files
from ..datasets.image_files import IMAGE_SUFFIXES
from ..datasets.labels import CorruptFileError
from ..datasets.pipeline_config import resolve_pipeline
from ..datasets.step_properties import property_of
from ..options.predict import parse_args
from ..utils.config import nearest
from ..utils.progress import progress
from . import environment
from .data import to_device
from .inference import inference_mode
from .predict_video import predict_video
from .predictions import PredictionWriter
from .test import load_model


def find_images(inputs: Iterable[str]) -> list[tuple[Path, Path]]:
    """(image, its folder relative to the input) pairs, sorted within each input; which files of a folder are images is
    the rule of the data sets (:mod:`~mmseg_uda.datasets.image_files`).

    Raises:
        FileNotFoundError: an input does not exist, or a folder holds no image.
        ValueError: two images of a folder differ in their suffix only.
    """
    found: list[tuple[Path, Path]] = []
    for text in inputs:
        path = Path(text)
        if path.is_file():
            found.append((path, Path()))
            continue
        if not path.is_dir():
            raise FileNotFoundError(f"input '{path}' does not exist")
        images = [path / f'{stem}{suffix}' for stem, suffix in image_files.find_images(text, IMAGE_SUFFIXES)]
        if not images:
            raise FileNotFoundError(f"folder '{path}' holds no image ({', '.join(IMAGE_SUFFIXES)})")
        found += [(image, image.parent.relative_to(path)) for image in images]
    return found


def main(argv: Optional[Sequence[str]] = None) -> int:
    """Predict all images and return their number."""
    args = parse_args(argv)
    environment.apply_common_arguments(args)
    cfg = environment.load_config(args.config, args.cfg_options)
    device = environment.start_processes(args.launcher, cfg.get('dist_params'), args.device, args.gpu_id)
    images = [] if args.video else find_images(args.inputs)
    check_names(images)
    model = load_model(cfg, args.checkpoint, args.test_with, device)
    classes, palette = model.CLASSES, model.PALETTE
    if palette is None and args.format in ('overlay', 'color'):
        raise ValueError(
            f"'{args.checkpoint}' names no PALETTE, which --format {args.format} needs: use --format train_ids"
        )
    pipeline = test_pipeline(cfg)
    if args.video:
        return _predict_video(args, model, pipeline, device)
    writers: dict[Path, PredictionWriter] = {}
    unreadable: list[str] = []
    with inference_mode(model, device, args.precision, args.windows_per_batch):
        for image, folder in progress(images, 'predict', len(images)):
            try:
                sample = pipeline(dict(img_info=dict(filename=str(image)), img_prefix=None))
            except (CorruptFileError, OSError) as error:
                unreadable.append(str(image))
                print(f'left out: {error}', file=sys.stderr)
                continue
            inputs = collate([sample], samples_per_gpu=1)
            moved = [
                to_device({'img': img, 'img_metas': meta}, device)
                for img, meta in zip(inputs['img'], inputs['img_metas'])
            ]
            result = model(
                img=[item['img'] for item in moved], img_metas=[item['img_metas'] for item in moved], return_loss=False
            )
            if folder not in writers:
                writers[folder] = PredictionWriter(Path(args.out) / folder, args.format, classes, palette, args.opacity)
            writers[folder].write(result[0], str(image))
    print(f'{len(images) - len(unreadable)} predictions in {args.out}', flush=True)
    if unreadable:
        raise CorruptFileError(
            f'{len(unreadable)} of {len(images)} images could not be read and are left out, the others are predicted: '
            + '; '.join(unreadable[:5])
            + (' ...' if len(unreadable) > 5 else '')
        )
    return len(images)


def _predict_video(args: argparse.Namespace, model: Any, pipeline: Compose, device: Any) -> int:
    if len(args.inputs) != 1:
        raise ValueError(f'--video takes one video file or folder of frames, got {len(args.inputs)} inputs')
    if model.PALETTE is None:
        raise ValueError(f"'{args.checkpoint}' names no PALETTE, which overlays need")
    found = predict_video(
        model,
        pipeline,
        Path(args.inputs[0]),
        Path(args.video),
        device,
        model.PALETTE,
        args.opacity,
        args.precision,
        args.windows_per_batch,
    )
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


def test_pipeline(cfg: Any) -> Compose:
    """The transforms of ``data.test`` that need an image only.

    Raises:
        KeyError: the config has no test pipeline.
    """
    test = cfg.data.get('test')
    entry = test[0] if isinstance(test, (list, tuple)) else test
    if not entry or 'pipeline' not in entry:
        raise KeyError(f'the config has no data.test.pipeline ({nearest("pipeline", entry or ["pipeline"])})')
    return Compose([step for step in resolve_pipeline(entry['pipeline']) if property_of(step, 'reads') != 'label'])

"""Predicting a video: a file or a folder of frames in, a video of overlays out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Optional, Sequence

import cv2
import numpy as np
import torch
from mmcv.parallel import collate
from torch import nn

from ..datasets.flow_sources import Frame, build_flow_source
from ..datasets.frame_names import ListRule, natural
from ..utils.progress import progress
from .inference import inference_mode
from .predictions import colorize
from .temporal import ConsistencyMeter, flow_grid, flow_with_occlusion, predict_sample

IMAGES = ('.png', '.jpg', '.jpeg', '.bmp')
CODECS = {'.mp4': 'mp4v', '.avi': 'MJPG'}


def frames_of_input(source: Path, folder: Path) -> tuple[list[Path], float]:
    """The frames of a video as files, in order, and the number of frames per second.

    Args:
        source: a video file, or a folder of frames (10 per second).
        folder: where the frames of a file are written.

    Raises:
        FileNotFoundError: no such input. ValueError: no readable frame.
    """
    if source.is_dir():
        names = [path for path in source.iterdir() if path.suffix.lower() in IMAGES and not path.name.startswith('.')]
        if not names:
            raise ValueError(f"'{source}' holds no frame ({', '.join(IMAGES)})")
        return sorted(names, key=lambda path: natural(path.stem)), 10.0
    if not source.is_file():
        raise FileNotFoundError(f"input '{source}' does not exist")
    reader = cv2.VideoCapture(str(source))
    rate = reader.get(cv2.CAP_PROP_FPS) or 25.0
    frames: list[Any] = []
    while True:
        read, frame = reader.read()
        if not read:
            break
        frames.append(folder / f'{len(frames):06d}.png')
        cv2.imwrite(str(frames[-1]), frame, [cv2.IMWRITE_PNG_COMPRESSION, 1])
    reader.release()
    if not frames:
        raise ValueError(
            f"OpenCV reads no frame of '{source}': convert it (H.264 or MJPEG), or give a folder of frames"
        )
    return frames, rate


def predict_video(
    model: nn.Module,
    pipeline: Any,
    source: Path,
    target: Path,
    device: torch.device,
    palette: Sequence[Sequence[int]],
    opacity: float = 0.5,
    precision: str = 'fp32',
    windows_per_batch: int = 8,
) -> dict[str, float]:
    """Predict every frame and write the overlays as a video.

    Args:
        pipeline: test transforms of the config; ``LoadClip`` finds the frame before.
        source, target: see :func:`frames_of_input`; the target ends in ``.mp4`` or ``.avi``.
        palette: RGB of each class.

    Returns:
        Number of ``frames``, and the temporal consistency (see :mod:`.temporal`).

    Raises:
        ValueError: another suffix of the target. OSError: OpenCV cannot write it.
    """
    if target.suffix.lower() not in CODECS:
        raise ValueError(f"--video writes {' or '.join(CODECS)}, not '{target.suffix}'")
    with tempfile.TemporaryDirectory() as folder:
        frames, rate = frames_of_input(source, Path(folder))
        rule = ListRule([frame.stem for frame in frames])
        meter: Optional[ConsistencyMeter] = None
        writer: Optional[cv2.VideoWriter] = None
        last: Optional[tuple[Frame, np.ndarray]] = None
        target.parent.mkdir(parents=True, exist_ok=True)
        with inference_mode(model, device, precision, windows_per_batch):
            for path in progress(frames, 'predict', len(frames)):
                label = _predict(model, pipeline, path, rule, device)
                picture: Any = cv2.imread(str(path), cv2.IMREAD_COLOR)
                frame = Frame(picture)
                meter = meter or ConsistencyMeter(len(palette))
                if last is not None:
                    _compare(meter, frame, label, *last)
                last = frame, label
                writer = writer or _writer(target, rate, label.shape)
                writer.write(_overlay(frame.img, label, palette, opacity))
        if writer is not None:
            writer.release()
    return {'frames': len(frames), **(meter.summary() if meter is not None else {})}


def _predict(model: nn.Module, pipeline: Any, path: Path, rule: ListRule, device: torch.device) -> np.ndarray:
    sample = pipeline(
        dict(
            img_info=dict(filename=path.name),
            img_prefix=str(path.parent),
            frame_rule=rule,
            frame_suffixes=(path.suffix,),
            seg_fields=[],
        )
    )
    return predict_sample(model, collate([sample], samples_per_gpu=1), device)


def _compare(meter: ConsistencyMeter, frame: Frame, label: np.ndarray, earlier: Frame, before: np.ndarray) -> None:
    height, width = frame.img.shape[:2]
    source = build_flow_source(dict(type='DISFlow', grid=flow_grid(width, height)))
    meter.add(label, before, *flow_with_occlusion(source, frame, earlier, 'video'))


def _writer(target: Path, rate: float, size: tuple[int, ...]) -> cv2.VideoWriter:
    code = cv2.VideoWriter_fourcc(*CODECS[target.suffix.lower()])  # type: ignore[attr-defined]
    writer = cv2.VideoWriter(str(target), code, rate, (size[1], size[0]))
    if not writer.isOpened():
        raise OSError(f"OpenCV cannot write '{target}': try the other suffix ({' or '.join(CODECS)})")
    return writer


def _overlay(img: np.ndarray, label: np.ndarray, palette: Sequence[Sequence[int]], opacity: float) -> np.ndarray:
    img = img if img.shape[:2] == label.shape else cv2.resize(img, (label.shape[1], label.shape[0]))
    colors = np.ascontiguousarray(colorize(label.astype(np.uint8), palette)[..., ::-1])
    return cv2.addWeighted(img, 1 - opacity, colors, opacity, 0)

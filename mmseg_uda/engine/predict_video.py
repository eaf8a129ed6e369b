"""Predicting a video: a file or a folder of frames in, a video of overlays out."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any, Optional

import cv2
import numpy as np

from ..datasets.flow_sources import Frame, build_flow_source
from ..utils.progress import progress
from .predict_inputs import frame_items
from .predictions import blended
from .predictor import Options, Predictor
from .temporal import ConsistencyMeter, flow_grid, flow_with_occlusion
from .video_frames import CODECS, frames_of_input, video_writer


def predict_video(
    predictor: Predictor, source: Path, target: Path, opacity: float = 0.5, options: Optional[Options] = None
) -> dict[str, float]:
    """Predict every frame and write the overlays as a video.

    Args:
        predictor: the network with the test transforms of its config, in which ``LoadClip`` finds the frame before.
        source, target: see :func:`frames_of_input`; the target ends in ``.mp4`` or ``.avi``.

    Returns:
        Number of ``frames``, and the temporal consistency (see :mod:`.temporal`).

    Raises:
        ValueError: another suffix of the target. OSError: OpenCV cannot write it.
    """
    if target.suffix.lower() not in CODECS:
        raise ValueError(f"--video writes {' or '.join(CODECS)}, not '{target.suffix}'")
    with tempfile.TemporaryDirectory() as folder:
        frames, rate = frames_of_input(source, Path(folder))
        meter = ConsistencyMeter(len(predictor.palette))
        writer: Optional[cv2.VideoWriter] = None
        last: Optional[tuple[Frame, np.ndarray]] = None
        target.parent.mkdir(parents=True, exist_ok=True)
        predictions = predictor.run(frame_items(frames), options or Options())
        for path, prediction in zip(progress(frames, 'predict', len(frames)), predictions):
            picture: Any = cv2.imread(str(path), cv2.IMREAD_COLOR)
            frame, label = Frame(picture), prediction.mask
            if last is not None:
                _compare(meter, frame, label, *last)
            last = frame, label
            writer = writer or video_writer(target, rate, label.shape)
            writer.write(blended(frame.img, label, predictor.palette, opacity))
        if writer is not None:
            writer.release()
    return {'frames': len(frames), **meter.summary()}


def _compare(meter: ConsistencyMeter, frame: Frame, label: np.ndarray, earlier: Frame, before: np.ndarray) -> None:
    height, width = frame.img.shape[:2]
    source = build_flow_source(dict(type='DISFlow', grid=flow_grid(width, height)))
    meter.add(label, before, *flow_with_occlusion(source, frame, earlier, 'video'))

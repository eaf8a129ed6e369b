"""The frames of a video as files, and the writer of one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2

from ..datasets.frame_names import natural

IMAGES = ('.png', '.jpg', '.jpeg', '.bmp')
#: files that are read as videos
VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v', '.mpg', '.mpeg', '.wmv')
#: suffixes of videos that are written, and their codecs
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


def video_writer(target: Path, rate: float, size: tuple[int, ...]) -> cv2.VideoWriter:
    """A writer of frames of ``size`` (height, width).

    Raises:
        OSError: OpenCV cannot write the file.
    """
    code = cv2.VideoWriter_fourcc(*CODECS[target.suffix.lower()])  # type: ignore[attr-defined]
    writer = cv2.VideoWriter(str(target), code, rate, (size[1], size[0]))
    if not writer.isOpened():
        raise OSError(f"OpenCV cannot write '{target}': try the other suffix ({' or '.join(CODECS)})")
    return writer

"""Toy videos: clips of a drive through a toy street, in the layouts of VIPER, SYNTHIA-Seq and Cityscapes-Seq."""

from __future__ import annotations

import zlib
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Optional

import cv2
import numpy as np
from PIL import Image

from ..datasets.flow_files import write_flow
from ..datasets.frame_names import CityscapesRule, FrameRule, SynthiaRule, ViperRule
from ..datasets.label_spaces import CITY19, RAW_TABLES
from ..datasets.video_spaces import SYNTHIA_LANE_MARKING, SYNTHIA_SEQ12, VIPER15
from .appearance import Appearance, between
from .canvas import EGO_VEHICLE, LANE_MARKING
from .looks import APPEARANCES, GAME
from .motion import Drive, MovingCanvas, View, exact_flow
from .options import WorldOptions
from .render import OVERSAMPLING, develop, texture_fields
from .scene import paint_scene
from .writers import CITIES, raw_lookup, write_picture

#: frames of a clip: two before the current one, so that it and its key frame have a predecessor
FRAMES = 3
#: steps back of every flow that is written, (frame, frame it points to)
FLOWS = ((0, 1), (0, 2), (1, 2))
#: rows below the picture of SYNTHIA-Seq that its loader cuts off, as a share of the whole height
SYNTHIA_CUT = 120 / 760
#: image folder below the data set's root
IMAGE_DIRS = {
    'viper_seq': 'train/img',
    'synthia_seq': 'RGB/Stereo_Left/Omni_F',
    'cityscapes_seq': 'leftImg8bit_sequence',
}
RULES: dict[str, FrameRule] = {
    'viper_seq': ViperRule(),
    'synthia_seq': SynthiaRule(),
    'cityscapes_seq': CityscapesRule(),
}
LOOKS = {'viper_seq': 'gta', 'synthia_seq': 'synthia', 'cityscapes_seq': 'cityscapes'}


@dataclass(frozen=True)
class Clip:
    """One clip of a toy video data set.

    Attributes:
        dataset: ``viper_seq``, ``synthia_seq`` or ``cityscapes_seq``.
        split: ``train`` or ``val``.
        number: 0-based within the split.
        stem: name of the current frame below the image folder, without suffix.
    """

    dataset: str
    split: str
    number: int
    stem: str

    @property
    def suffix(self) -> str:
        """Of the image files."""
        return {'viper_seq': '.jpg', 'synthia_seq': '.png', 'cityscapes_seq': '_leftImg8bit.png'}[self.dataset]

    def image(self, back: int) -> str:
        """Path of a frame below the data set's root."""
        return f'{IMAGE_DIRS[self.dataset]}/{self._earlier(back)}{self.suffix}'

    def label(self, back: int) -> Optional[str]:
        """Path of a frame's label; Cityscapes-Seq has that of the current frame only."""
        stem = self._earlier(back)
        if self.dataset == 'viper_seq':
            return f'train/cls/{stem}.png'
        if self.dataset == 'synthia_seq':
            return f'GT/LABELS/Stereo_Left/Omni_F/{stem}.png'
        return f'gtFine/{stem}_gtFine_labelIds.png' if back == 0 else None

    def flow(self, start: int, end: int) -> str:
        """Path of the flow between two frames."""
        stem = self.stem.split('/', 1)[1] if self.dataset == 'cityscapes_seq' else self.stem
        return f'flow/{RULES[self.dataset].flow_name(stem, start, end)}'

    def _earlier(self, back: int) -> str:
        found = RULES[self.dataset].earlier(self.stem, back)
        assert found is not None
        return found

    @property
    def files(self) -> list[str]:
        """All files of the clip below the data set's root."""
        labels = [self.label(back) for back in range(2)]
        frames = [self.image(back) for back in range(FRAMES)]
        return [*frames, *(label for label in labels if label), *(self.flow(*pair) for pair in FLOWS)]


def clips(dataset: str, counts: dict[str, int]) -> list[Clip]:
    """All clips of a data set.

    Args:
        counts: clips per split.
    """
    return [
        Clip(dataset, split, number, _stem(dataset, split, number))
        for split, count in counts.items()
        for number in range(count)
    ]


def _stem(dataset: str, split: str, number: int) -> str:
    if dataset == 'viper_seq':  # frames 8, 9, 10 | 18, 19, 20 ... of sequences of 20 clips
        sequence, clip = divmod(number, 20)
        return f'{sequence + 1:03d}/{sequence + 1:03d}_{10 * (clip + 1):05d}'
    if dataset == 'synthia_seq':
        return f'{3 * number + 2:06d}'
    city = CITIES[number % len(CITIES)] if split == 'train' else 'munster'
    return f'{split}/{city}/{city}_{number:06d}_000019'


def write_clip(root: Path, clip: Clip, options: WorldOptions) -> None:
    """Draw a clip and write its frames, labels, exact flows and occlusion masks.

    Args:
        root: of the data set.
        options: :class:`~mmseg_uda.toy.options.WorldOptions`.
    """
    pictures, views = draw_clip(clip, options)
    for back in range(FRAMES):
        image, label = pictures[FRAMES - 1 - back]
        _write_image(root / clip.image(back), image)
        name = clip.label(back) if back < 2 else None
        if name is not None:
            _write_label(root / name, clip.dataset, label)
    for start, end in FLOWS:
        flow, hidden = exact_flow(views[FRAMES - 1 - start], start - end, views[FRAMES - 1 - end])
        path = root / clip.flow(start, end)
        write_flow(path, flow)
        Image.fromarray(hidden.astype(np.uint8) * 255).save(
            path.with_name(path.name.replace('_int16_x10.npy', '_occlusion.png'))
        )


def draw_clip(clip: Clip, options: WorldOptions) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[View]]:
    """Images (H, W, 3) uint8 RGB with toy labels (H, W) of all frames, oldest first, and what each shows: a pure
    function of its arguments."""
    width, height, seed = options.width, options.height, options.seed
    if clip.dataset == 'synthia_seq':
        height = round(height / (1 - SYNTHIA_CUT))
    key = (seed, zlib.crc32(f'{clip.dataset}/{clip.split}'.encode()), clip.number)
    motion = np.random.default_rng([*key, 1])
    drive = Drive(motion.uniform(0.3, 1.2), motion.normal(0, 0.8) * OVERSAMPLING, FRAMES, (*key, 2))
    return draw_drive(look_of(clip.dataset, options.gap), width, height, key, drive)


def draw_drive(
    look: Appearance, width: int, height: int, key: tuple[int, ...], drive: Drive
) -> tuple[list[tuple[np.ndarray, np.ndarray]], list[View]]:
    """:func:`draw_clip` for any drive through the scene of a key."""
    fields = texture_fields(look, width, height, np.random.default_rng([*key, 3]))
    exposure = np.random.default_rng([*key, 4]).uniform(0.94, 1.06)
    pictures, views = [], []
    for time in range(drive.frames):
        canvas = paint_scene(
            look,
            width * OVERSAMPLING,
            height * OVERSAMPLING,
            np.random.default_rng(key),
            lambda camera, time=time: MovingCanvas(camera, drive, time),  # type: ignore[misc]
        )
        assert isinstance(canvas, MovingCanvas)
        views.append(canvas.view())
        to_first = exact_flow(views[-1], -time, views[0])[0]
        sensor = np.random.default_rng([*key, 5, time])
        first, second = (_attached(field, to_first) for field in fields)
        pictures.append(develop(canvas, look, (first, second), exposure, sensor))
    return pictures, views


def _attached(noise: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Noise that sticks to the surfaces: read where they were in the first frame."""
    height, width = noise.shape
    columns = (np.arange(width) + flow[0]).astype(np.float32)
    rows = (np.arange(height)[:, None] + flow[1]).astype(np.float32)
    return cv2.remap(noise, columns, rows, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REFLECT)


def look_of(dataset: str, gap: float) -> Appearance:
    """The appearance of a toy video data set."""
    look = APPEARANCES[LOOKS[dataset]]
    look = look if gap == 1 else between(GAME, look, gap)
    return replace(look, bonnet=dataset != 'synthia_seq')


def raw_ids(dataset: str) -> np.ndarray:
    """Toy label value -> raw id of a video data set, uint8 (256,)."""
    if dataset == 'cityscapes_seq':
        return raw_lookup('cityscapes')
    space, table = (
        (VIPER15, RAW_TABLES['viper']['viper15'])
        if dataset == 'viper_seq'
        else (SYNTHIA_SEQ12, RAW_TABLES['synthia_seq']['synthia_seq12'])
    )
    raw_of = {new: raw for raw, new in sorted(table.items(), reverse=True)}
    lut = np.zeros(256, np.uint8)
    for train, name in enumerate(CITY19):
        name = 'person' if name == 'rider' and dataset == 'viper_seq' else name
        if name in space:
            lut[train] = raw_of[space.index(name)]
    lut[LANE_MARKING] = SYNTHIA_LANE_MARKING if dataset == 'synthia_seq' else lut[0]
    if dataset == 'viper_seq':
        lut[EGO_VEHICLE] = 24  # a car like any other; the loader recognises it by its place
    return lut


def _write_image(path: Path, image: np.ndarray) -> None:
    options = [cv2.IMWRITE_JPEG_QUALITY, 92] if path.suffix == '.jpg' else [cv2.IMWRITE_PNG_COMPRESSION, 1]
    write_picture(path, image[..., ::-1], options)


def _write_label(path: Path, dataset: str, label: np.ndarray) -> None:
    ids = raw_ids(dataset)[label]
    if dataset == 'synthia_seq':  # 16 bit, class in the red channel
        write_picture(path, np.stack([np.zeros_like(ids), np.zeros_like(ids), ids], -1).astype(np.uint16))
    else:
        Image.fromarray(ids).save(path, compress_level=1)

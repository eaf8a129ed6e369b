"""Building the toy data sets: on demand, in worker processes, and never half."""

from __future__ import annotations

import functools
import hashlib
import json
import multiprocessing
import os
import re
import shutil
import socket
import tempfile
import zlib
from dataclasses import asdict
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Sequence, Union

import cv2
import numpy as np

from ..utils.parallel import map_files
from .appearance import between
from .looks import APPEARANCES, GAME
from .options import WorldOptions
from .render import render
from .sequences import IMAGE_DIRS, Clip, clips, write_clip
from .square_looks import SQUARE_LOOKS, render_square
from .writers import Item, items, make_folders, write_item, write_lists

#: modules that decide what a file holds
DRAWING = (
    *('appearance', 'canvas', 'looks', 'objects', 'render', 'scene', 'writers'),
    *('aerial', 'endoscopy', 'square_items', 'square_looks'),
)
#: and what a file of a video data set holds
DRAWING_VIDEO = ('motion', 'sequences')
MANIFEST = 'toy_world.json'
#: pictures per split
TOY_DATASETS: dict[str, dict[str, int]] = {
    'gta': dict(train=500),
    'synthia': dict(train=400),
    'cityscapes': dict(train=300, val=60),
    'idd': dict(train=200, val=40),
    'mapillary': dict(train=200, val=40),
    'acdc': dict(train=200, val=60),
    'dark_zurich': dict(train=150, val=30),
    'loveda': {'Train/Rural': 300, 'Train/Urban': 300, 'Val/Urban': 60},
    'potsdam': dict(train=300, val=40),
    'potsdam_irrg': dict(train=300, val=40),
    'vaihingen': dict(train=300, val=60),
    'polyps': {'hospital_a/train': 300, 'hospital_b/train': 300, 'hospital_b/val': 60},
    # clips of three frames
    'viper_seq': dict(train=200),
    'synthia_seq': dict(train=150),
    'cityscapes_seq': dict(train=150, val=40),
}


def draw(item: Item, options: WorldOptions) -> tuple[np.ndarray, np.ndarray]:
    """Image (H, W, 3) uint8 RGB and toy label (H, W) of one picture: a pure function of its arguments."""
    key = zlib.crc32(f'{item.dataset}/{item.split}'.encode())
    rng = np.random.default_rng([options.seed, key, item.number])
    square = SQUARE_LOOKS.get(item.appearance)
    if square is not None:
        return render_square(square, options.height, rng)
    look = APPEARANCES[item.appearance]
    if options.gap != 1:
        look = between(GAME, look, options.gap)
    return render(look, options.width, options.height, rng)


def pictures_of(name: str, counts: dict[str, int]) -> Sequence[Union[Item, Clip]]:
    """What a data set is made of: pictures, or clips of a video."""
    return clips(name, counts) if name in IMAGE_DIRS else items(name, counts)


def _draw_and_write(picture: Union[Item, Clip], root: Path, options: WorldOptions) -> None:
    if multiprocessing.parent_process() is not None:
        cv2.setNumThreads(0)  # one worker per core already; OpenCV's own threads do not survive a fork
    if isinstance(picture, Clip):
        write_clip(root, picture, options)
    else:
        write_item(root, picture, *draw(picture, options))


def ensure_toy_world(
    root: Union[str, Path] = 'data/toy',
    datasets: Sequence[str] = tuple(TOY_DATASETS),
    workers: Optional[int] = None,
    quiet: bool = False,
    **options: Any,
) -> dict[str, Path]:
    """Draw the data sets that are missing, incomplete, or were drawn with other options or by another drawing program.

    Safe against being killed and against a second process that does the same: a folder appears under its name only
    when it is whole.

    Args:
        root: folder of the toy world; each data set has a sub-folder.
        datasets: names from :data:`TOY_DATASETS`.
        workers: processes; default one per core.
        quiet: no progress bar.
        options: fields of :class:`WorldOptions`.

    Returns:
        The data sets' roots by name.

    Raises:
        KeyError: an unknown data set.
        FileExistsError: a folder of that name that this function has not made.
    """
    unknown = [name for name in datasets if name not in TOY_DATASETS]
    if unknown:
        raise KeyError(f"no toy data set '{unknown[0]}'; there are {', '.join(TOY_DATASETS)}")
    wanted = WorldOptions(**options)
    roots = {name: Path(root) / name for name in datasets}
    for name, folder in roots.items():
        if not _is_current(folder, name, wanted):
            _build(folder, name, wanted, os.cpu_count() or 1 if workers is None else workers, quiet)
    return roots


def draw_missing(cfg: Mapping[str, Any]) -> list[Path]:
    """Draw the toy data sets that a config's ``data`` names and that do not exist.

    They are named by ``data_root='.../toy/<name>'``, those of another size by ``'.../toy_<width>x<height>/<name>'``.

    Returns:
        Their folders.
    """
    missing: dict[Path, dict[str, Any]] = {}
    for root in sorted(set(_data_roots(cfg.get('data')))):
        named = re.fullmatch(r'toy(?:_(\d+)x(\d+))?', root.parent.name)
        if named and root.name in TOY_DATASETS and not root.exists():
            missing[root] = dict(width=int(named[1]), height=int(named[2])) if named[1] else {}
    for root, size in missing.items():
        ensure_toy_world(root.parent, [root.name], **size)
    return list(missing)


def _data_roots(node: Any) -> Iterator[Path]:
    if isinstance(node, Mapping):
        if isinstance(node.get('data_root'), str):
            yield Path(node['data_root'])
        for value in node.values():
            yield from _data_roots(value)
    elif isinstance(node, (list, tuple)):
        for value in node:
            yield from _data_roots(value)


def _counts(name: str, options: WorldOptions) -> dict[str, int]:
    return {split: max(round(count * options.scale), 1) for split, count in TOY_DATASETS[name].items()}


@functools.lru_cache(maxsize=None)
def _drawing_version(video: bool = False) -> str:
    """Digest of the drawing modules' source, so that any change of the drawing redraws the world."""
    folder = Path(__file__).parent
    modules = (*DRAWING, *(DRAWING_VIDEO if video else ()))
    return hashlib.sha256(b''.join((folder / f'{name}.py').read_bytes() for name in modules)).hexdigest()[:16]


def _manifest(name: str, options: WorldOptions) -> dict[str, Any]:
    drawing = _drawing_version(name in IMAGE_DIRS)
    return dict(drawing=drawing, dataset=name, counts=_counts(name, options), **asdict(options))


def _is_current(folder: Path, name: str, options: WorldOptions) -> bool:
    try:
        if json.loads((folder / MANIFEST).read_text()) != _manifest(name, options):
            return False
    except (FileNotFoundError, ValueError):  # ValueError: not JSON, not text
        return False
    paths = (path for picture in pictures_of(name, _counts(name, options)) for path in picture.files)
    return all((folder / path).exists() for path in paths)


def _build(folder: Path, name: str, options: WorldOptions, workers: int, quiet: bool) -> None:
    if folder.exists() and not (folder / MANIFEST).exists() and any(folder.iterdir()):
        raise FileExistsError(
            f"'{folder}' exists and is no toy data set (it has no {MANIFEST}): move it away or choose another root"
        )
    folder.parent.mkdir(parents=True, exist_ok=True)
    mine = f'.{name}.{socket.gethostname()}.'
    _remove_leftovers(folder.parent, mine)
    temporary = Path(tempfile.mkdtemp(prefix=f'{mine}{os.getpid()}.', dir=folder.parent))
    try:
        pictures = pictures_of(name, _counts(name, options))
        make_folders(temporary / 'new', pictures)
        work = functools.partial(_draw_and_write, root=temporary / 'new', options=options)
        for _ in map_files(work, pictures, f'toy {name}', workers, quiet):
            pass
        write_lists(temporary / 'new', name, pictures)
        (temporary / 'new' / MANIFEST).write_text(json.dumps(_manifest(name, options), indent=1))
        _put_in_place(temporary, folder)
    except OSError:
        if not _is_current(folder, name, options):  # otherwise another process was faster
            raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _put_in_place(temporary: Path, folder: Path) -> None:
    """Rename: the old data set is out of the way only for the moment between two renames."""
    if folder.exists():
        os.replace(folder, temporary / 'old')
    os.replace(temporary / 'new', folder)


def _remove_leftovers(parent: Path, prefix: str) -> None:
    """Remove what builds of this machine left that were killed."""
    for path in parent.glob(f'{prefix}*.*'):
        owner = path.name[len(prefix) :].split('.')[0]
        if os.name == 'posix' and owner.isdigit() and not _is_alive(int(owner)):
            shutil.rmtree(path, ignore_errors=True)


def _is_alive(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True

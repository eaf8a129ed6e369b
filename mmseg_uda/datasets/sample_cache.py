"""Decoded and resized samples kept in files or in memory: what the first steps of a training pipeline make of an image.

Reading and decoding is three quarters of the time of a training sample, and the steps up to the first random one give
the same arrays every time. Their result is written once, one file per image, and read as it is afterwards; the system's
page cache shares it between data workers. An entry remembers size and time of the image and label files that
it was made from; where one of them has changed, or a step, a label table or a decoder, it is made again.
"""

from __future__ import annotations

import hashlib
import json
import os
import os.path as osp
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence

import cv2
import numpy as np
import PIL
from mmseg.datasets.pipelines import Resize

from ..utils.checkpoint_io import replacing
from ..utils.config import check_options
from .label_readers import label_reader_of
from .pipelines import ExactResize, LoadImage, LoadLabels, PseudoLabelMargins
from .step_properties import property_of

#: steps whose results are kept, of exactly these classes: others may read what nobody knows of
KEPT_STEPS = (LoadImage, LoadLabels, Resize, ExactResize, PseudoLabelMargins)
MANIFEST = 'manifest.json'
_MAGIC = b'UDACACH1'
_ALIGNMENT = 64
Results = dict[str, Any]


class CacheOptions:
    """``data.cache``.

    Args:
        folder: keeps the samples of every stream in files below this folder.
        memory_mb: keeps samples in the memory of every data worker, up to so many megabytes per stream; for small data
            sets.
    """

    def __init__(self, folder: Optional[str] = None, memory_mb: float = 0) -> None:
        self.folder = None if folder is None else Path(folder)
        self.memory_mb = memory_mb
        if (folder is None) == (memory_mb <= 0):
            raise ValueError(
                'data.cache takes either a folder or memory_mb: with a folder, give data.cache.memory_mb=0 where the '
                'config keeps samples in memory'
            )

    @classmethod
    def from_config(cls, options: Optional[Mapping[str, Any]]) -> Optional[CacheOptions]:
        """None where a config has no ``data.cache``.

        Raises:
            TypeError: an unknown option, with the nearest one.
        """
        if not options:
            return None
        check_options(options, ('folder', 'memory_mb'), 'data.cache')
        return cls(**options)


def kept_steps(steps: Sequence[Any]) -> int:
    """Number of leading steps of a pipeline whose result can be kept."""
    count = 0
    for step in steps:
        if type(step) not in KEPT_STEPS or property_of(step, 'random'):
            break
        if getattr(step, 'file_client_args', None) and step.file_client_args.get('backend', 'disk') != 'disk':
            break  # no file whose time could be compared
        count += 1
    return count


class SampleCache:
    """The kept samples of one data set.

    Args:
        dataset: of image and label files; the first steps of its pipeline are kept (:func:`kept_steps`).
        options: where.

    Raises:
        ValueError: the first step of the pipeline does not load an image file, so that nothing can be kept.
    """

    def __init__(self, dataset: Any, options: CacheOptions) -> None:
        self.dataset = dataset
        self.steps = dataset.pipeline.transforms[: kept_steps(dataset.pipeline.transforms)]
        if not self.steps:
            raise ValueError(
                f'data.cache: the pipeline of {type(dataset).__name__} does not begin with LoadImageFromFile from '
                'disk: data.cache=None keeps no samples'
            )
        self.labelled = any(isinstance(step, LoadLabels) for step in self.steps)
        parameters = self._parameters()
        digest = hashlib.sha256(json.dumps(parameters, sort_keys=True).encode()).hexdigest()[:16]
        name = f'{type(dataset).__name__.lower()}-{digest}'
        self.folder = None if options.folder is None else options.folder / name
        self._memory: dict[str, tuple[list[list[int]], Results]] = {}
        self._room = int(options.memory_mb * 2**20)
        if self.folder is not None and not (self.folder / MANIFEST).is_file():
            self.folder.mkdir(parents=True, exist_ok=True)
            with replacing(self.folder / MANIFEST) as temporary:
                temporary.write_text(json.dumps(parameters, indent=1), encoding='utf-8')

    def _parameters(self) -> dict[str, Any]:
        """Everything but the files that the kept arrays depend on."""
        dataset = self.dataset
        steps = [
            [type(step).__name__, {key: repr(value) for key, value in vars(step).items() if key != 'file_client'}]
            for step in self.steps
        ]
        reader = label_reader_of(dataset) if self.labelled else None
        return dict(
            images=osp.abspath(dataset.img_dir),
            labels=osp.abspath(dataset.ann_dir) if self.labelled and dataset.ann_dir else None,
            steps=steps,
            ids=None if reader is None else [reader.lut.tolist(), reader.num_classes, reader.strict],
            score_size=repr(getattr(dataset, 'score_size', None)),
            decoders=[cv2.__version__, PIL.__version__],
        )

    def __call__(self, results: Results) -> tuple[Results, Sequence[Callable[[Results], Results]]]:
        """``results`` after the kept steps, and the steps that are left."""
        left = self.dataset.pipeline.transforms[len(self.steps) :]
        key, sources = self._key(results), self._sources(results)
        known = self._memory.get(key)
        if known is not None and known[0] == sources:
            return self._joined(results, _copied(known[1])), left
        path = None if self.folder is None else self.folder / key[:2] / f'{key}.bin'
        added = None if path is None else read_entry(path, sources)
        if added is None:
            added = self._made(results)
            if path is not None:
                write_entry(path, sources, added)
        size = sum(value.nbytes for value in added.values() if isinstance(value, np.ndarray))
        if known is not None or size <= self._room:  # a file that has changed takes its own place
            self._room -= 0 if known is not None else size
            self._memory[key] = (sources, _copied(added))
        return self._joined(results, added), left

    def is_kept(self, results: Results) -> bool:
        """Whether the entry of a sample stands in the folder and is up to date."""
        if self.folder is None:
            return False
        key = self._key(results)
        return read_entry(self.folder / key[:2] / f'{key}.bin', self._sources(results)) is not None

    def _made(self, results: Results) -> Results:
        after = {key: list(value) if isinstance(value, list) else value for key, value in results.items()}
        for step in self.steps:
            after = step(after)
        return {
            key: value
            for key, value in after.items()
            if key not in results or (value != results[key] if isinstance(value, list) else value is not results[key])
        }

    def _joined(self, results: Results, added: Results) -> Results:
        joined = {**results, **{key: list(value) if isinstance(value, list) else value for key, value in added.items()}}
        return {**joined, 'filename': self._path(results, 'img_info', 'filename', 'img_prefix')}

    @staticmethod
    def _path(results: Results, entry: str, name: str, prefix: str) -> str:
        folder = results.get(prefix)
        return osp.join(folder, results[entry][name]) if folder is not None else results[entry][name]

    def _files(self, results: Results) -> list[str]:
        files = [self._path(results, 'img_info', 'filename', 'img_prefix')]
        return [*files, self._path(results, 'ann_info', 'seg_map', 'seg_prefix')] if self.labelled else files

    def _key(self, results: Results) -> str:
        names = [results['img_info']['filename'], *([results['ann_info']['seg_map']] if self.labelled else [])]
        return hashlib.sha256('\x1f'.join(names).encode()).hexdigest()[:32]

    def _sources(self, results: Results) -> list[list[int]]:
        """Size and time of the files; a missing one is left to the step that reads it."""
        found = []
        for file in self._files(results):
            try:
                status = os.stat(file)
            except OSError:
                return []
            found.append([status.st_size, status.st_mtime_ns])
        return found


def _copied(values: Results) -> Results:
    """Arrays of its own, so that nobody writes into what is kept."""
    return {key: value.copy() if isinstance(value, np.ndarray) else value for key, value in values.items()}


# ---- files
# -----------------------------------------------------------------------------------------------------------------
def write_entry(path: Path, sources: list[list[int]], values: Results) -> None:
    """Write the arrays and other values of a sample: a temporary file, flushed, then a rename.

    Raises:
        TypeError: a value that cannot be written, with its key. OSError: no room.
    """
    arrays: list[np.ndarray] = []
    described = {key: _described(value, arrays, key) for key, value in values.items()}
    kinds = [[array.dtype.str, list(array.shape)] for array in arrays]
    head = json.dumps(dict(sources=sources, arrays=kinds, values=described)).encode()
    parts, end = [], _aligned(len(_MAGIC) + 16 + len(head))
    for array in arrays:
        parts.append((end, array))
        end = _aligned(end + array.nbytes)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}.tmp')
    try:
        with open(temporary, 'wb') as file:
            file.write(_MAGIC + len(head).to_bytes(8, 'little') + end.to_bytes(8, 'little') + head)
            for place, array in parts:
                file.seek(place)
                file.write(array.tobytes())
            file.truncate(end)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    except OSError as error:
        raise OSError(
            error.errno,
            f'data.cache: {error.strerror}: free space or take another data.cache.folder; what is written stays usable',
            str(path),
        ) from error
    finally:
        temporary.unlink(missing_ok=True)


def read_entry(path: Path, sources: list[list[int]]) -> Optional[Results]:
    """What :func:`write_entry` wrote; None where there is no entry for these sources."""
    try:
        with open(path, 'rb') as file:
            start = file.read(len(_MAGIC) + 16)
            length, end = int.from_bytes(start[8:16], 'little'), int.from_bytes(start[16:24], 'little')
            if start[:8] != _MAGIC or os.fstat(file.fileno()).st_size != end:
                return None
            head = json.loads(file.read(length))
            if head['sources'] != sources or not sources:
                return None
            # read and not mapped: a map that a full or broken disk cuts short kills the process
            content = np.fromfile(file, np.uint8, offset=_aligned(len(start) + length) - len(start) - length)
    except (FileNotFoundError, ValueError, KeyError):
        return None
    place, arrays = 0, []
    for kind, shape in head['arrays']:
        size = int(np.prod(shape, dtype=np.int64)) * np.dtype(kind).itemsize
        arrays.append(content[place : place + size].view(kind).reshape(shape))
        place = _aligned(place + size)
    return {key: _restored(value, arrays) for key, value in head['values'].items()}


def _aligned(offset: int) -> int:
    return -(-offset // _ALIGNMENT) * _ALIGNMENT


def _described(value: Any, arrays: list[np.ndarray], key: str) -> Any:
    """``value`` for JSON; arrays move to ``arrays``."""
    if isinstance(value, np.ndarray):
        arrays.append(np.ascontiguousarray(value))
        return {'array': len(arrays) - 1}
    if isinstance(value, np.generic):
        value = value.item()
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_described(item, arrays, key) for item in value]}
    if isinstance(value, Mapping) and all(isinstance(name, str) for name in value):
        return {'dict': [[name, _described(item, arrays, key)] for name, item in value.items()]}
    raise TypeError(f"data.cache cannot keep '{key}' of a sample, which is a {type(value).__name__}")


def _restored(value: Any, arrays: Sequence[np.ndarray]) -> Any:
    if not isinstance(value, dict):
        return value
    ((kind, content),) = value.items()
    if kind == 'array':
        return arrays[content]
    if kind == 'dict':
        return {name: _restored(item, arrays) for name, item in content}
    items = [_restored(item, arrays) for item in content]
    return items if kind == 'list' else tuple(items)

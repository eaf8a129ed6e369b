"""Filling the sample cache of a training set before a run (``tools/cache_resized.py``)."""

from __future__ import annotations

import shutil
from functools import partial
from typing import Any, Optional, Sequence

from ..datasets.builder import build_training_dataset
from ..datasets.sample_cache import SampleCache
from ..datasets.stream_source import StreamSource
from ..options.cache_resized import parse_args
from ..utils.config_errors import naming_config
from ..utils.parallel import map_files
from . import environment


def main(argv: Optional[Sequence[str]] = None) -> dict[str, int]:
    """Run the tool; returns the number of new entries by stream.

    Raises:
        ValueError: no folder, a stream that the config does not have, or too little room on the disk.
    """
    args = parse_args(argv)
    cfg = environment.load_config(args.config, args.cfg_options)
    folder = args.folder or (cfg.data.get('cache') or {}).get('folder')
    if not folder:
        raise ValueError('give --folder, or data.cache = dict(folder=...) in the config')
    cfg.data.cache = dict(folder=folder)
    environment.prepare_data(cfg)
    with naming_config(args.config):
        dataset = build_training_dataset(cfg, 0)
    unknown = set(args.only or ()) - set(dataset.stream_names)
    if unknown:
        raise ValueError(f'{args.config} has no stream {sorted(unknown)}; it has {list(dataset.stream_names)}')
    return {
        name: fill(stream, name, args.nproc)
        for name, stream in dataset.streams.items()
        if not args.only or name in args.only
    }


def fill(stream: StreamSource, name: str, workers: int) -> int:
    """Write the missing entries of a stream; returns their number."""
    indices = [index for index in range(len(stream)) if cache_of(stream, index) is not None]
    missing = [index for index in indices if not _is_kept(stream, index)]
    if missing:
        size = write(missing[0], stream)
        _check_room(stream, missing[0], size * len(missing))
        for _ in map_files(partial(write, stream=stream), missing[1:], f'cache of {name}', workers):
            pass
    print(f'{name}: {len(missing)} of {len(indices)} images written, {len(indices) - len(missing)} were there')
    return len(missing)


def cache_of(stream: StreamSource, index: int) -> Optional[SampleCache]:
    """The cache of the data set that an image belongs to; None for a data set that is not made of files."""
    return stream.caches.get(id(stream.locate(index)[0]))


def _is_kept(stream: StreamSource, index: int) -> bool:
    cache = cache_of(stream, index)
    return cache is not None and cache.is_kept(stream.results(index)[1])


def write(index: int, stream: StreamSource) -> int:
    """Write the entry of an image; returns the bytes of its arrays."""
    cache: Any = cache_of(stream, index)
    results, _ = cache(stream.results(index)[1])
    return sum(int(value.nbytes) for value in results.values() if hasattr(value, 'nbytes'))


def _check_room(stream: StreamSource, index: int, needed: int) -> None:
    folder = getattr(cache_of(stream, index), 'folder', None)
    free = shutil.disk_usage(folder).free if folder is not None else needed
    if needed > free:
        raise ValueError(
            f"the cache of the {stream.name} stream needs about {needed / 2**30:.1f} GiB, '{folder}' has "
            f'{free / 2**30:.1f} left: give another --folder, or some streams with --only'
        )

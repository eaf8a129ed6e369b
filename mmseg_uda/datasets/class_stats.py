"""Pixel counts per file and class: built for any data set, stored with a hash of its file list."""

from __future__ import annotations

import hashlib
import json
import os
import os.path as osp
from functools import partial
from pathlib import Path
from typing import Any, Iterable, Optional, Sequence

import torch
from mmcv.runner import get_dist_info
from mmcv.utils import print_log
from mmseg.utils import get_root_logger

from ..ops.rcs import rcs_class_probs, samples_with_class
from ..utils.parallel import map_files
from ..utils.rank_watch import entering
from .label_readers import label_reader_of
from .labels import LabelReader, class_histogram

STATS_FILE = 'sample_class_stats.json'
SAMPLES_FILE = 'samples_with_class.json'
STATS_DICT_FILE = 'sample_class_stats_dict.json'
CACHE_VARIABLE = 'MMSEG_UDA_CACHE'

Record = tuple[str, dict[int, int]]


def count_classes(label: Any, num_classes: int) -> dict[int, int]:
    """Class id -> number of pixels (> 0), ascending, of a label map uint8 (H, W)."""
    counts = class_histogram(label)[:num_classes]
    return {cls: int(pixels) for cls, pixels in enumerate(counts) if pixels}


def _count(name: str, root: str, reader: LabelReader) -> Record:
    return name, count_classes(reader.read(osp.join(root, name)), reader.num_classes)


def count_files(
    names: Sequence[str], root: str, reader: LabelReader, workers: int = 4, quiet: bool = False
) -> list[Record]:
    """Count the classes of label files in worker processes, with a progress bar.

    Args:
        names: label files relative to ``root``.
        reader: translates their ids.
        workers: processes; 0 counts in this one.
    """
    return list(map_files(partial(_count, root=root, reader=reader), names, 'class statistics', workers, quiet))


def list_hash(names: Sequence[str], root: str, reader: LabelReader) -> str:
    """Hash of a file list with the files' sizes and the id translation: another list, label set or conversion gives
    another hash.
    """
    digest = hashlib.blake2b(digest_size=8)
    digest.update(reader.lut.tobytes())
    for name in names:
        path = osp.join(root, name)
        digest.update(f'{name}\x1f{osp.getsize(path) if osp.exists(path) else -1}\n'.encode())
    return digest.hexdigest()


def write_json(path: Path, content: Any) -> None:
    """Write JSON through a temporary file, so that a reader never sees half of it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f'.{path.name}.{os.getpid()}')
    with open(temporary, 'w', encoding='utf-8') as file:
        json.dump(content, file)
    os.replace(temporary, path)


def as_entries(records: Iterable[Record]) -> list[dict[str, Any]]:
    """Records in the form of ``sample_class_stats.json``."""
    return [{**{str(cls): pixels for cls, pixels in counts.items()}, 'file': name} for name, counts in records]


def write_stats(records: Iterable[Record], folder: Path) -> None:
    """Write the three published JSON files: ``sample_class_stats.json``, its dict form, and
    ``samples_with_class.json``.
    """
    records = sorted(records)
    write_json(folder / STATS_FILE, as_entries(records))
    write_json(
        folder / STATS_DICT_FILE,
        {name: {str(cls): pixels for cls, pixels in counts.items()} for name, counts in records},
    )
    classes = sorted({cls for _, counts in records for cls in counts})
    write_json(
        folder / SAMPLES_FILE,
        {str(cls): [[name, counts[cls]] for name, counts in records if cls in counts] for cls in classes},
    )


def read_stats(path: Path, names: Sequence[str]) -> Optional[list[Record]]:
    """Read ``sample_class_stats.json`` for the files ``names``.

    Entries are found by path relative to the label folder, also behind a prefix as the published converters write it,
    else by base name where that is unique.

    Returns:
        Records in the order of ``names``; None when the file is unreadable or lacks one of them (it belongs to another
        list).
    """
    try:
        entries = json.loads(path.read_text(encoding='utf-8'))
        stored = {
            str(entry['file']).replace('\\', '/'): {int(cls): int(n) for cls, n in entry.items() if cls != 'file'}
            for entry in entries
        }
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    by_base: dict[str, Optional[str]] = {}
    for name in stored:
        base = name.rsplit('/', 1)[-1]
        by_base[base] = None if base in by_base else name
    records: list[Record] = []
    for name in names:
        base = name.rsplit('/', 1)[-1]
        key = name if name in stored else by_base.get(base) or next((s for s in stored if s.endswith('/' + name)), None)
        if key is None:
            return None
        records.append((name, stored[key]))
    return records


def cache_folder() -> Path:
    """Where statistics go that cannot stand beside the data: ``$MMSEG_UDA_CACHE`` or ``~/.cache/mmseg_uda``."""
    return Path(os.environ.get(CACHE_VARIABLE) or Path.home() / '.cache' / 'mmseg_uda')


def dataset_stats(dataset: Any, workers: int = 4, quiet: bool = False) -> list[Record]:
    """Class statistics of a labelled data set of this package, read from file or counted now.

    Read are, in this order: ``sample_class_stats.<hash>.json`` in ``data_root`` or in the cache, then the published
    ``sample_class_stats.json`` in ``data_root`` when it covers exactly this list. Otherwise the labels are counted and
    stored under the hash of the file list, so that stale statistics are never used. With several ranks, rank 0 counts
    and the others read its file.

    Args:
        dataset: any data set of image and label files with ``ann_dir``.

    Returns:
        (label file relative to ``ann_dir``, class -> pixels) for every image, in the data set's order.
    """
    rank, world_size = get_dist_info()
    try:
        if rank > 0:
            entering('the class statistics')
            torch.distributed.barrier()
        return _read_or_count(dataset, workers, quiet or rank > 0)
    finally:
        if rank == 0 and world_size > 1:
            entering('the class statistics')
            torch.distributed.barrier()


def _read_or_count(dataset: Any, workers: int, quiet: bool) -> list[Record]:
    names = [dataset.get_ann_info(i)['seg_map'] for i in range(len(dataset))]
    reader = label_reader_of(dataset)
    home = Path(dataset.data_root or osp.dirname(dataset.ann_dir.rstrip('/')) or '.')
    stored = f'sample_class_stats.{list_hash(names, dataset.ann_dir, reader)}.json'
    candidates = [home / stored, cache_folder() / stored]
    if getattr(dataset, 'label_space', 'city19') == 'city19':  # the published converters know no other
        candidates.append(home / STATS_FILE)
    for path in filter(Path.exists, candidates):
        records = read_stats(path, names)
        if records is not None and all(cls < reader.num_classes for _, counts in records for cls in counts):
            return records
        message = f'{path} does not fit the {len(names)} files of {dataset.ann_dir} (stale or of another split)'
        print_log(f'{message}: counting again', get_root_logger())
    records = count_files(names, dataset.ann_dir, reader, workers, quiet)
    write_json((home if writable(home) else cache_folder()) / stored, as_entries(records))
    return records


def writable(folder: Path) -> bool:
    """Whether files may be added to a folder; also the administrator respects one that is marked read-only."""
    return bool(folder.stat().st_mode & 0o222) and os.access(folder, os.W_OK)


def stats_table(records: Sequence[Record], classes: Sequence[str], min_pixels: int, temperature: float) -> str:
    """A readable table: share of pixels, files, candidate files and sampling probability of every class."""
    present, probs = rcs_class_probs([counts for _, counts in records], temperature)
    files = samples_with_class(records, present, min_pixels)
    eligible = {cls: float(prob) for cls, prob in zip(present, probs) if files[cls]}
    pixels = {cls: sum(counts.get(cls, 0) for _, counts in records) for cls in range(len(classes))}
    lines = [f'{"class":<24}{"share of pixels":>16}{"files":>8}{f"> {min_pixels} px":>12}{"probability":>13}']
    for cls, name in enumerate(classes):
        share = pixels[cls] / max(sum(pixels.values()), 1)
        number = sum(cls in counts for _, counts in records)
        probability = eligible.get(cls, 0) / max(sum(eligible.values()), 1e-12)
        lines.append(f'{name:<24}{share:>15.3%}{number:>9}{len(files.get(cls, ())):>12}{probability:>13.4f}')
    return '\n'.join(lines)

"""Looking through the files of a config's data sets: missing pairs, corrupt files, unexpected ids, class histogram, and
what they tell about the set as a whole."""

from __future__ import annotations

import os.path as osp
from dataclasses import dataclass, field
from functools import partial
from typing import Any, Mapping, Optional, Sequence

import numpy as np
from mmcv import Config
from mmseg.datasets.custom import CustomDataset

from ..utils.parallel import map_files
from .findings import (
    Header,
    class_findings,
    file_findings,
    header_findings,
    looks_like_labels,
    read_header,
    size_findings,
)
from .label_readers import label_reader_of
from .labels import CorruptFileError, LabelIdError, class_histogram, decode_label, read_bytes
from .pipeline_config import flattened
from .pipelines import LoadImage
from .uda_dataset import build_parts
from .video import VideoDataset

#: the kinds of findings, in the order of the report
PROBLEMS = ('missing label', 'missing frame', 'corrupt image', 'corrupt label', 'unexpected ids', 'size differs')


@dataclass
class FileReport:
    """What was found in one image and its label.

    Attributes:
        name: the image, relative to its folder.
        problems: kind -> explanation.
        counts: pixels per class and, last, of ignored pixels; None without a readable label.
        ids: the ids in the label file.
        head: what the head of the image file says.
        like_labels: whether the decoded image has as few colours as a label map.
    """

    name: str
    problems: dict[str, str] = field(default_factory=dict)
    counts: Optional[np.ndarray] = None
    ids: frozenset[int] = frozenset()
    head: Optional[Header] = None
    like_labels: bool = False


def without_pipeline(cfg: Any) -> Any:
    """A data set config that augments nothing: every ``pipeline`` keeps the step that loads the image only."""
    if isinstance(cfg, (list, tuple)):
        return [without_pipeline(part) for part in cfg]
    if not isinstance(cfg, Mapping):
        return cfg
    return {
        key: _loading_step(value)
        if key == 'pipeline'
        else without_pipeline(value)
        if key in ('dataset', 'datasets')
        else value
        for key, value in cfg.items()
    }


def _loading_step(pipeline: Any) -> list[Any]:
    steps = [step for step in flattened(pipeline or []) if isinstance(step, Mapping)]
    return [dict(step) for step in steps if step.get('type') in ('LoadImageFromFile', 'LoadImage')][:1]


def config_data_sets(cfg: Mapping[str, Any]) -> dict[str, Any]:
    """The data set configs of a config by name: ``source``, ``target`` ..., ``labeled_target``, ``val``, ``test``."""
    data = cfg['data']
    train = data.get('train') or {}
    found: dict[str, Any] = {}
    if isinstance(train, Mapping) and {'source', 'target', 'labeled_target', 'paste'} & set(train):
        found = {name: train.get(name) for name in ('source', 'target', 'labeled_target', 'paste')}
        if isinstance(found['target'], (list, tuple)):
            targets = found.pop('target')
            found.update({f'target{i + 1}' if i else 'target': target for i, target in enumerate(targets)})
    elif train:
        found['source'] = train
    found.update({name: data.get(name) for name in ('val', 'test')})
    return {name: without_pipeline(part) for name, part in found.items() if part}


def chosen_data_sets(path: str, overrides: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    """:func:`config_data_sets` of a config file: those with these names, or all where none is named.

    Raises:
        ValueError: the config has no data set of that name.
    """
    cfg = Config.fromfile(path)
    cfg.merge_from_dict(dict(overrides))
    parts = config_data_sets(cfg)
    unknown = set(names) - set(parts)
    if unknown:
        raise ValueError(f'{path} has no data set {sorted(unknown)}; it has {sorted(parts)}')
    return {name: parts[name] for name in names or parts}


def build_data_set(cfg: Any) -> list[Any]:
    """Build a part of :func:`config_data_sets` for reading files.

    Raises:
        ValueError: not a data set of files with class names.
    """
    parts = build_parts(cfg, labelled=True)
    for part in parts:
        label_reader_of(part)
    return parts


def _load(dataset: Any, info: Mapping[str, Any]) -> np.ndarray:
    """An image as the data set's pipeline loads it."""
    steps = getattr(getattr(dataset, 'pipeline', None), 'transforms', [])
    load = next((step for step in steps if isinstance(step, LoadImage)), None) or LoadImage()
    return load(dict(img_info=info, img_prefix=dataset.img_dir))['img']


def check_file(index: int, dataset: Any, images: bool = True) -> FileReport:
    """Read one image and its label and note what is wrong with them."""
    info = dataset.img_infos[index]
    report = FileReport(info['filename'])
    path = osp.join(dataset.img_dir or '', info['filename'])
    report.head = read_header(path)
    size = report.head.shown_size if report.head is not None else None
    if images:
        try:
            img = _load(dataset, info)
            size = img.shape[:2]
            report.like_labels = not (report.head is not None and report.head.lossy) and looks_like_labels(img)
        except (CorruptFileError, FileNotFoundError) as error:
            report.problems['corrupt image'] = str(error)
            size = None
    if 'ann' not in info:
        return report
    path = osp.join(dataset.ann_dir, info['ann']['seg_map'])
    try:
        raw = decode_label(read_bytes(path, 'label map', getattr(dataset, 'CONVERTER', '')), path)
    except FileNotFoundError as error:
        report.problems['missing label'] = str(error)
        return report
    except (CorruptFileError, LabelIdError) as error:
        report.problems['corrupt label'] = str(error)
        return report
    reader = label_reader_of(dataset)
    unexpected = reader.unexpected(raw)
    if unexpected:
        report.problems['unexpected ids'] = f'{path}: ids {unexpected}'
    if size is not None and size != raw.shape:
        report.problems['size differs'] = f'{path}: label {raw.shape[::-1]}, image {size[::-1]} (width, height)'
    report.ids = frozenset(int(i) for i in np.flatnonzero(class_histogram(raw)))
    histogram = class_histogram(reader.lut[raw])
    report.counts = np.append(histogram[: reader.num_classes], histogram[reader.num_classes :].sum())
    return report


def check_data_set(dataset: Any, workers: int = 4, images: bool = True, quiet: bool = False) -> list[FileReport]:
    """Check every file of a data set in worker processes."""
    work = partial(check_file, dataset=dataset, images=images)
    reports = list(map_files(work, range(len(dataset)), type(dataset).__name__, workers, quiet))
    return reports + missing_frames(dataset)


def missing_frames(dataset: Any) -> list[FileReport]:
    """Gaps in the sequences of a video data set: frames up to two steps before the listed ones that are not there."""
    if not isinstance(dataset, VideoDataset):
        return []
    remedy = 'a frame before a listed one: download all frames of the sequences'
    names = dataset.missing_frames(back=2 if dataset.ann_dir is None else 1)  # far frames are read of targets only
    return [FileReport(name, {'missing frame': f'{osp.join(dataset.img_dir, name)}: {remedy}'}) for name in names]


def notes(dataset: Any, reports: Sequence[FileReport]) -> list[str]:
    """What the reports on files tell about the data set as a whole, one line each."""
    headers = [(report.name, report.head) for report in reports if report.head is not None]
    counted = [report.counts for report in reports if report.counts is not None]
    counts = np.sum(counted, axis=0) if counted else None
    ids: set[int] = set().union(*(report.ids for report in reports)) if reports else set()
    lines = file_findings(dataset) + header_findings(headers, dataset) + size_findings(headers, dataset)
    lines += class_findings(counts, ids, len(counted), len(reports) >= len(dataset), dataset)
    like = [report.name for report in reports if report.like_labels]
    if like:
        lines.append(
            f'{len(like)} of {len(reports)} images have so few colours that they look like label maps (first: '
            f'{like[0]}): is img_dir the folder of the images, and do img_suffix and seg_map_suffix tell them apart?'
        )
    return lines


def findings(dataset: Any, sample: int = 48, decoded: int = 6) -> list[str]:
    """What is remarkable about a data set, found quickly: names of all files, heads and labels of a sample.

    Args:
        dataset: a data set of files; of anything else nothing is found.
        sample: number of images, spread over the set, whose heads and labels are read.
        decoded: number of these images that are decoded.

    Returns:
        One line each.
    """
    if not isinstance(dataset, CustomDataset) or not dataset.CLASSES or not len(dataset):
        return []
    if (dataset.file_client_args or {}).get('backend', 'disk') != 'disk':
        return []
    chosen = np.unique(np.linspace(0, len(dataset) - 1, min(sample, len(dataset))).round().astype(int)).tolist()
    shown = set(chosen[:: max(len(chosen) // decoded, 1)])
    reports = [check_file(i, dataset, images=i in shown) for i in chosen]
    lines = notes(dataset, reports)
    for kind in PROBLEMS:
        found = [report.problems[kind] for report in reports if kind in report.problems]
        if found and kind != 'missing label':  # which the notes count in the whole set
            lines.append(f'{kind}: {len(found)} of {len(chosen)} files looked at (first: {found[0]})')
    return lines


def training_findings(training: Any, evaluation: Mapping[str, Any]) -> list[str]:
    """:func:`findings` of every data set of a run, each with its place in the config.

    Args:
        training: a :class:`~mmseg_uda.datasets.uda_dataset.UDADataset`.
        evaluation: validation sets by name.
    """
    sets = [(training.keys[name], part) for name, stream in training.streams.items() for part in stream.parts]
    for name, dataset in evaluation.items():
        sets += [(f'data.val ({name})', part) for part in getattr(dataset, 'datasets', [dataset])]
    lines = _zero_labels(sets)
    distinct = {id(dataset): (key, dataset) for key, dataset in reversed(sets)}
    return lines + [f'{key}: {line}' for key, dataset in reversed(distinct.values()) for line in findings(dataset)]


def _zero_labels(sets: Sequence[tuple[str, Any]]) -> list[str]:
    """Labelled data sets of one type of which some take label 0 for ignored and some for the first class."""
    kinds: dict[type, dict[bool, str]] = {}
    for key, dataset in sets:
        reduced = getattr(dataset, 'reduce_zero_label', None)
        if reduced is not None and any('ann' in info for info in getattr(dataset, 'img_infos', [])[:1]):
            kinds.setdefault(type(dataset), {}).setdefault(bool(reduced), key)
    return [
        f'{keys[True]} has reduce_zero_label=True, {keys[False]} has not: their classes are shifted by one against '
        'each other, unless their files count from 1 and from 0'
        for keys in kinds.values()
        if len(keys) == 2
    ]


def summary(name: str, dataset: Any, reports: list[FileReport], shown: int = 5) -> str:
    """A readable report: number of findings of each kind with the first files, and the class histogram."""
    lines = [f'{name}: {type(dataset).__name__}, {len(dataset)} images in {dataset.img_dir}']
    if isinstance(dataset, VideoDataset):
        starts = len(dataset.first_frames())
        lines.append(f'  {starts} frames have no predecessor (starts of videos, gaps)')
    for kind in PROBLEMS:
        found = [report.problems[kind] for report in reports if kind in report.problems]
        if found:
            lines.append(f'  {kind}: {len(found)} files')
            lines += [f'    {text}' for text in found[:shown]]
            lines += [f'    ... and {len(found) - shown} more'] if len(found) > shown else []
    counted = [report.counts for report in reports if report.counts is not None]
    if counted:
        total = np.sum(counted, axis=0)
        files = (np.stack(counted) > 0).sum(0)
        lines.append(f'  {"class":<24}{"share of pixels":>16}{"files":>8}')
        for label, pixels, number in zip([*dataset.CLASSES, '(ignored)'], total, files):
            lines.append(f'  {label:<24}{pixels / max(total.sum(), 1):>15.3%}{number:>9}')
    remarks = notes(dataset, reports)
    lines += [f'  note: {line}' for line in remarks]
    if not remarks and not any(report.problems for report in reports):
        lines.append('  no problem found')
    return '\n'.join(lines)

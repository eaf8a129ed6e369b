"""The data sets that a config evaluates on, as plain data sets of image and label files by name."""

from __future__ import annotations

from typing import Any, Iterator, Mapping, Sequence

import numpy as np
import torch
from mmseg.datasets import CustomDataset, build_dataset
from torch.utils.data import ConcatDataset

from ..datasets.label_readers import label_path
from ..datasets.pipelines import label_at_size
from ..ops.label_maps import areas

#: what stands in place of a data set's name for the harmonic mean over data sets
HARMONIC = 'harmonic'
#: options of a data set that may be lists, one entry for each of several data sets
LISTS = ('img_dir', 'ann_dir', 'split')


class PooledSets(ConcatDataset):
    """Several data sets that are scored as one (``separate_eval=False`` of MMSegmentation's lists of folders).

    Args:
        datasets: plain data sets with the same classes.
    """

    datasets: list[Any]

    def __init__(self, datasets: Sequence[Any]) -> None:
        super().__init__(datasets)
        first = self.datasets[0]
        self.CLASSES, self.PALETTE, self.ignore_index = first.CLASSES, first.PALETTE, first.ignore_index

    @property
    def img_infos(self) -> list[dict[str, Any]]:
        """The images of all sets."""
        return [info for dataset in self.datasets for info in dataset.img_infos]

    def locate(self, index: int) -> tuple[Any, int]:
        """The data set that an image belongs to, and its index there."""
        part = next(i for i, end in enumerate(self.cumulative_sizes) if index < end)
        return self.datasets[part], index - (self.cumulative_sizes[part - 1] if part else 0)

    def evaluate(self, results: Sequence[Any], **options: Any) -> dict[str, float]:
        """Metrics of pre-evaluated results of all sets."""
        return self.datasets[0].evaluate(results, **options)


def named_test_sets(cfg: Any, part: str = 'test') -> dict[str, Any]:
    """Build ``cfg.data.<part>``: one data set config, or a list of them for several targets (each may hold a ``name``).

    Lists of folders and ``ConcatDataset`` become several data sets (``target``, ``target2`` ...), with
    ``separate_eval=False`` one; ``RepeatDataset`` is what it repeats.

    Returns:
        Data sets in test mode by name, in order; a single unnamed one is called ``target``.

    Raises:
        ValueError: a data set called ``harmonic``, or a wrapper for training.
    """
    entries = cfg.data[part]
    several = isinstance(entries, (list, tuple))
    built: dict[str, Any] = {}
    for i, entry in enumerate(entries if several else [entries]):
        key = f'data.{part}[{i}]' if several else f'data.{part}'
        entry = dict(entry)
        given = entry.pop('name', None)
        if given == HARMONIC:
            raise ValueError(f"{key}.name: '{HARMONIC}' stands for the mean over data sets, choose another name")
        for dataset in built_sets(entry, key):
            kind = type(getattr(dataset, 'datasets', [dataset])[0]).__name__
            name = given or (kind.replace('Dataset', '').lower() if several else 'target')
            built[_free(name, built)] = dataset
    return built


def _free(name: str, taken: Mapping[str, Any]) -> str:
    number = next(n for n in range(1, len(taken) + 2) if (f'{name}{n}' if n > 1 else name) not in taken)
    return f'{name}{number}' if number > 1 else name


def built_sets(cfg: Mapping[str, Any], key: str) -> list[Any]:
    """The data sets of one entry, scored one by one; one :class:`PooledSets` with ``separate_eval=False``."""
    cfg = dict(cfg)
    separate = cfg.pop('separate_eval', True)
    built = [build_dataset(one, dict(test_mode=True)) for one in plain_configs(cfg, key)]
    return built if separate or len(built) == 1 else [PooledSets(built)]


def plain_configs(cfg: Any, key: str) -> Iterator[dict[str, Any]]:
    """The configs of plain data sets inside wrappers and lists of folders.

    Raises:
        ValueError: ``MultiImageMixDataset``, or lists of different lengths.
    """
    if isinstance(cfg, (list, tuple)):
        for one in cfg:
            yield from plain_configs(one, key)
        return
    cfg = dict(cfg)
    kind = cfg.get('type')
    if kind in ('RepeatDataset', 'ConcatDataset'):
        yield from plain_configs(cfg['dataset' if kind == 'RepeatDataset' else 'datasets'], key)
        return
    if kind == 'MultiImageMixDataset':
        raise ValueError(
            f'{key}: MultiImageMixDataset mixes images at random, which is for training: evaluate the data set in its '
            'dataset=dict(...)'
        )
    lists = {option: cfg[option] for option in LISTS if isinstance(cfg.get(option), (list, tuple))}
    lengths = {option: len(values) for option, values in lists.items()}
    if len(set(lengths.values())) > 1:
        raise ValueError(f'{key}: lists of {", ".join(LISTS)} must have equal lengths, got {lengths}')
    for values in zip(*lists.values()) if lists else [()]:
        yield {**cfg, **dict(zip(lists, values))}


def score_image(dataset: Any, prediction: np.ndarray, index: int) -> Any:
    """MMSeg's ``pre_eval`` of one image; in a tenth of its time where the data set leaves counting to MMSeg.

    A label of another size is brought to the prediction's by the rule of training.

    Args:
        dataset: from :func:`named_test_sets`.
        prediction: class ids (H, W).
        index: of the image.
    """
    if isinstance(dataset, PooledSets):
        dataset, index = dataset.locate(index)
    if type(dataset).pre_eval is not CustomDataset.pre_eval:
        return dataset.pre_eval([prediction], indices=[index])[0]
    label = dataset.get_gt_seg_map_by_idx(index)
    label = label_at_size(label, prediction.shape, label_path(dataset, index), 'prediction')
    options = dict(ignore_index=dataset.ignore_index, reduce_zero_label=dataset.reduce_zero_label)
    return areas(torch.from_numpy(prediction), torch.from_numpy(label), len(dataset.CLASSES), **options)

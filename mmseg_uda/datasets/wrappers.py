"""Data sets that hold other data sets."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from mmseg.datasets import MultiImageMixDataset
from torch.utils.data import ConcatDataset

from .pipeline_config import flattened, training_pipeline


class JoinedSets(ConcatDataset):
    """Several data sets one after another; MMSegmentation's own refuses those of Cityscapes."""

    datasets: list[Any]

    def __init__(self, datasets: Sequence[Any]) -> None:
        super().__init__(datasets)
        self.CLASSES, self.PALETTE = self.datasets[0].CLASSES, self.datasets[0].PALETTE


def mixed_images(cfg: Mapping[str, Any], inner: Sequence[Any], labelled: bool) -> MultiImageMixDataset:
    """A ``MultiImageMixDataset`` (mosaic and the like) whose pipeline is rewritten for training.

    Args:
        cfg: its config: ``pipeline``, ``skip_type_keys``.
        inner: the data sets of its ``dataset``, built.
        labelled: False: no step reads, and nothing collects, a label.

    Raises:
        ValueError: a pipeline that never formats a sample.
    """
    options = {key: value for key, value in cfg.items() if key not in ('type', 'dataset')}
    steps = flattened(options.pop('pipeline', []))
    if not any(step.get('type') == 'Collect' for step in steps if isinstance(step, Mapping)):
        raise ValueError(
            'MultiImageMixDataset: its own pipeline ends in DefaultFormatBundle and Collect; that of its dataset only '
            'loads (LoadImageFromFile, LoadAnnotations)'
        )
    dataset = inner[0] if len(inner) == 1 else JoinedSets(inner)
    return MultiImageMixDataset(dataset, training_pipeline(steps, labelled), **options)


def plain_sets(dataset: Any) -> list[Any]:
    """The data sets of image and label files inside a built data set, each once."""
    if hasattr(dataset, 'datasets'):
        found = [plain for one in dataset.datasets for plain in plain_sets(one)]
    elif hasattr(dataset, 'dataset') and not hasattr(dataset, 'img_infos'):
        found = plain_sets(dataset.dataset)
    else:
        found = [dataset]
    return list({id(one): one for one in found}.values())

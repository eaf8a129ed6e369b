"""A data set whose labels are stored pseudo-labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import numpy as np
from mmseg.datasets.builder import DATASETS
from mmseg.datasets.custom import CustomDataset
from mmseg.datasets.pipelines import Compose

from ..utils.config import build_from_config
from .labels import LabelReader
from .pipeline_config import resolve_pipeline, with_pseudo_labels
from .pseudo_label_files import PseudoLabelError, image_key
from .pseudo_label_store import PseudoLabelStore


def label_loader(soft: bool) -> str:
    """The step that loads stored pseudo-labels."""
    return 'LoadSoftLabels' if soft else 'LoadAnnotations'


def unlabelled(dataset: Mapping[str, Any], pipeline: Sequence[Any] = ()) -> CustomDataset:
    """Build a data set without its labels, so that no label file can be read."""
    return build_from_config({**dataset, 'ann_dir': None, 'pipeline': list(pipeline)}, DATASETS)


@DATASETS.register_module()
class PseudoLabelDataset(CustomDataset):
    """The images of a data set with stored pseudo-labels as their labels.

    A stream for any method: as ``target`` it gives the unlabelled stream a ``gt_semantic_seg`` (ESL and BDL train on
    it with ``target_ce``), as ``labeled_target`` it stands for labelled target images. Ground truth is never read.

    Args:
        dataset: config of the data set with its training pipeline.
        folder: folder that ``tools/pseudo_labels.py extract`` wrote.
        min_kept_share: refuse a folder that keeps less than this share of all pixels.
        soft: load the class probabilities that ``extract --soft`` stored; ``StrongAugment`` in the pipeline makes
            labels of them.

    Raises:
        PseudoLabelError: the folder belongs to other images or classes, lacks label maps, or keeps too few pixels.
    """

    def __init__(
        self, dataset: Mapping[str, Any], folder: str, min_kept_share: float = 0.0, soft: bool = False
    ) -> None:
        steps = with_pseudo_labels(dataset.get('pipeline', ()), label_loader(soft))
        if soft and not any(isinstance(step, Mapping) and step.get('type') == 'StrongAugment' for step in steps):
            raise ValueError(
                'PseudoLabelDataset with soft=True needs StrongAugment in its pipeline: TrainingCrops(..., '
                'strong=dict())'
            )
        self.soft = soft
        inner = unlabelled(dataset)
        # everything that is not about labels (images, classes, palette) is the inner data set's; its constructor has
        # run
        self.__dict__.update(vars(inner))
        self.CLASSES, self.PALETTE = inner.CLASSES, inner.PALETTE
        self.folder = Path(folder)
        self.store = PseudoLabelStore.open(self.folder)
        self.ann_dir = str(self.folder / 'labels')
        self.pipeline = Compose(resolve_pipeline(steps, training=True))
        self.label_reader = LabelReader(None, len(self.CLASSES))
        self.label_map: Optional[dict[int, int]] = None
        self.reduce_zero_label = False  # the stored maps hold class ids
        self.img_infos = [
            {**info, 'ann': dict(seg_map=f'{image_key(info["filename"])}.png')} for info in inner.img_infos
        ]
        self._check(min_kept_share)

    def _check(self, min_kept_share: float) -> None:
        labels = self.store.labels
        if labels is None:
            raise PseudoLabelError(
                f"'{self.folder}' has predictions but no label maps: run tools/pseudo_labels.py extract to its end"
            )
        if self.soft and not self.store.origin.soft:
            raise PseudoLabelError(
                f"'{self.folder}' has no soft labels: extract them with --soft (stage option soft=True) into "
                'another folder'
            )
        if tuple(self.CLASSES) != self.store.origin.classes:
            raise PseudoLabelError(
                f"'{self.folder}' has {len(self.store.origin.classes)} classes "
                f'({", ".join(self.store.origin.classes[:3])} ...), the data '
                f'set has {len(self.CLASSES)} ({", ".join(self.CLASSES[:3])} ...): extract the pseudo-labels with '
                'the same classes'
            )
        missing = set(image_key(info['filename']) for info in self.img_infos) - set(self.store.keys)
        if missing:
            raise PseudoLabelError(
                f"'{self.folder}' has no pseudo-labels for {len(missing)} of {len(self.img_infos)} images (first: "
                f'{min(missing)}): extract them from the same data set'
            )
        if labels['total_share'] < min_kept_share:
            raise PseudoLabelError(
                f"'{self.folder}' keeps {100 * labels['total_share']:.1f} % of the pixels, less than min_kept_share="
                f'{min_kept_share}: choose looser thresholds (tools/pseudo_labels.py threshold)'
            )

    def pre_pipeline(self, results: dict[str, Any]) -> None:
        """Hand the folders and the label reader to the pipeline."""
        super().pre_pipeline(results)
        if self.soft:
            results['soft_label_file'] = self.store.path('soft', image_key(results['img_info']['filename']))
        results['label_reader'] = self.label_reader
        results['stored_label'] = True
        results['label_remedy'] = 'Run tools/pseudo_labels.py extract again; it goes on where it stopped.'

    def read_label(self, idx: int) -> np.ndarray:
        """The pseudo-label map of an image: uint8 (H, W), 255 = not kept."""
        return self.label_reader.read(self.store.path('labels', image_key(self.img_infos[idx]['filename'])))

"""Batch norm statistics of the target: ``uda.running_statistics='target'`` and ``tools/target_statistics.py``.

In training the running statistics average whatever passes through the network: source, target and mixed images. A
network that is tested on the target alone does better with the target's own (AdaBN, Li et al. 2016).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Sequence

import torch
from mmcv import Config
from mmcv.parallel import collate
from mmcv.runner import Hook
from torch.utils.data import ConcatDataset

from ..datasets.pipeline_config import extraction_pipeline
from ..datasets.pseudo_label_dataset import unlabelled
from ..methods.base import UDASegmentor
from ..models.modes import set_training_modes
from ..models.target_statistics import adaptable_norms, recompute_statistics
from ..options.target_statistics import DEFAULT_IMAGES, TARGET, parse_args
from ..utils.checkpoint_io import CheckpointError, load_checkpoint_file, save_checkpoint_file, state_dict_of
from . import environment
from .data import to_device
from .inference import inference_mode
from .pseudo_label_extraction import target_config
from .test import load_model

LABELED_TARGET = 'data.train.labeled_target'


class TargetImages:
    """Some whole training images of the target(s), evenly spread over their lists, without labels.

    Args:
        cfg: a training config.
        where: dotted path of the data set, or of a list of them. The default stands for the labelled target images
            where the config has no others.
        images: how many.

    Raises:
        KeyError: the config has no data set there.
    """

    def __init__(self, cfg: Config, where: str = TARGET, images: int = DEFAULT_IMAGES) -> None:
        if images < 1:
            raise ValueError(f'batch norm statistics need at least one image, got {images}')
        train = cfg.data.get('train') or {}
        if where == TARGET and not train.get('target') and train.get('labeled_target'):
            where = LABELED_TARGET  # RIPU, S+T
        self.where = where
        found = train.get(where.rpartition('.')[2]) if where in (TARGET, LABELED_TARGET) else None
        paths = [f'{where}.{i}' for i in range(len(found))] if isinstance(found, (list, tuple)) else [where]
        parts = []
        for path in paths:
            part = target_config(cfg, path)
            parts.append(unlabelled(part, extraction_pipeline(part.get('pipeline', ()))))
        self.dataset: Any = ConcatDataset(parts)
        number = min(images, len(self.dataset))
        self.indices = [i * len(self.dataset) // number for i in range(number)]

    def __len__(self) -> int:
        return len(self.indices)

    def batches(self, device: torch.device) -> Iterator[dict[str, Any]]:
        """Batches of one image each: ``img`` (1, C, H, W) and ``img_metas``."""
        for index in self.indices:
            yield to_device(collate([self.dataset[index]], samples_per_gpu=1), device)


def adapt_statistics(method: UDASegmentor, images: TargetImages, device: torch.device) -> dict[str, int]:
    """Give every network of :meth:`~mmseg_uda.methods.base.UDASegmentor.test_networks` statistics of these images.

    The method is in training modes: which layers these are is read from the student; a teacher has the same ones. All
    ranks pass the same images.

    Returns:
        number of layers by network; 0 where there is no batch norm that could adapt.
    """
    norms = adaptable_norms(method.student)
    own = set(norms.values())
    changed: dict[str, int] = {}
    for title, network in method.test_networks().items():
        names = [name for name, module in network.named_modules() if module in own or name in norms]

        def forward(batch: Mapping[str, Any], network: Any = network) -> None:
            size = tuple(batch['img'].shape[2:])
            metas = [dict(meta, ori_shape=(*size, 3), img_shape=(*size, 3), flip=False) for meta in batch['img_metas']]
            network.inference(batch['img'], metas, False)

        with inference_mode(network, device):
            changed[title] = recompute_statistics(network, names, images.batches(device), forward) if names else 0
    return changed


class TargetStatisticsHook(Hook):
    """Recomputes the statistics where the run is evaluated or saved, before either.

    Training is not touched: layers that adapt normalise by their batch there. A teacher that labels with running
    statistics labels with the target's own from then on.

    Args:
        images: where they come from.
        intervals: iterations between evaluations and between checkpoints.
        device: of the networks.
    """

    def __init__(self, images: TargetImages, intervals: Sequence[int], device: torch.device) -> None:
        self.images = images
        self.intervals = [interval for interval in intervals if interval > 0]
        self.device = device

    def before_run(self, runner: Any) -> None:
        """Refuse a network that has nothing to adapt."""
        if not adaptable_norms(runner.model.student):
            raise ValueError(
                "uda.running_statistics='target': the student has no batch norm that trains with its "
                "batch's statistics: leave the option out"
            )
        runner.logger.info('batch norm statistics of %d images of %s', len(self.images), self.images.where)

    def after_train_iter(self, runner: Any) -> None:
        """Recompute when due."""
        done = runner.iter + 1
        if done == runner.max_iters or any(done % interval == 0 for interval in self.intervals):
            adapt_statistics(runner.model, self.images, self.device)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run ``tools/target_statistics.py``."""
    args = parse_args(argv)
    environment.apply_common_arguments(args)
    cfg = environment.load_config(args.config, args.cfg_options)
    device = torch.device(args.device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    environment.prepare_data(cfg)
    images = TargetImages(cfg, args.data, args.images)
    method = load_model(cfg, args.checkpoint, None, device, logging.getLogger('mmseg'))
    set_training_modes(method)
    changed = adapt_statistics(method, images, device)
    if not any(changed.values()):
        raise ValueError(f'{args.checkpoint}: the network has no batch norm that could take statistics of the target')
    written = write_adapted(method, Path(args.checkpoint), Path(args.out))
    print(f'{args.out}: statistics of {len(images)} images of {images.where} in {written} layers')


def write_adapted(method: UDASegmentor, source: Path, target: Path) -> int:
    """The checkpoint ``source`` with the method's tensors in place of its own; returns how many layers it changes.

    Raises:
        CheckpointError: none: the file names its layers in another way than the network.
    """
    loaded = load_checkpoint_file(str(source))
    state, kept = method.state_dict(), state_dict_of(loaded)
    fresh = {key: state[key].cpu() if key in state else value for key, value in kept.items()}
    written = sum(key.endswith('running_mean') and not torch.equal(fresh[key], kept[key].cpu()) for key in kept)
    if not written:
        raise CheckpointError(
            f"'{source}' names its layers in another way than this network: convert it first (convert_checkpoint.py)"
        )
    save_checkpoint_file(dict(meta=dict(loaded.get('meta') or {}), state_dict=fresh), target)
    return written

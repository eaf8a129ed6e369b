"""Loading training batches: an endless sampler over positions, collation, and the move to the device."""

from __future__ import annotations

import functools
from typing import Any, Iterator, Mapping, Optional

import torch
from mmcv.parallel import DataContainer, collate
from mmcv.runner import get_dist_info
from torch.utils.data import DataLoader, Dataset, Sampler

from ..ops.normalize import normalize_on_device
from .workers import WorkerLoader, quiet_worker


class PositionSampler(Sampler):
    """Endless batches of positions; position p of a data set is the same sample whoever asks for it.

    Iteration i, micro-batch k, rank r takes the positions ``((i * accumulate + k) * world_size + r) * batch_size +
    j``: any number of workers, and a resume at any iteration, see the same data, and R ranks with B images see what
    one rank with R*B images sees.
    """

    def __init__(
        self, batch_size: int, rank: int, world_size: int, accumulate: int = 1, start_iteration: int = 0
    ) -> None:
        if batch_size < 1:
            raise ValueError(f'data.samples_per_gpu must be at least 1, got {batch_size}')
        self.batch_size = batch_size
        self.rank = rank
        self.world_size = world_size
        self.start_batch = start_iteration * accumulate

    def __iter__(self) -> Iterator[list[int]]:
        batch = self.start_batch
        while True:
            first = (batch * self.world_size + self.rank) * self.batch_size
            yield list(range(first, first + self.batch_size))
            batch += 1


def build_train_loader(
    dataset: Dataset,
    data_cfg: Mapping[str, Any],
    accumulate: int = 1,
    start_iteration: int = 0,
    pin_memory: Optional[bool] = None,
) -> DataLoader:
    """An endless loader of training batches.

    Args:
        dataset: from ``mmseg_uda.datasets.builder.build_training_dataset``.
        data_cfg: the ``data`` part of a config (``samples_per_gpu``, ``workers_per_gpu``, ``train_dataloader``).
        accumulate: batches per iteration (``optimizer_config.cumulative_iters``).
        start_iteration: first iteration, after a resume.
    """
    options = dict(
        samples_per_gpu=data_cfg.get('samples_per_gpu', 1), workers_per_gpu=data_cfg.get('workers_per_gpu', 0)
    )
    options.update(data_cfg.get('train_dataloader', {}))
    batch_size, workers = int(options.pop('samples_per_gpu')), int(options.pop('workers_per_gpu'))
    for decided_here in ('shuffle', 'drop_last', 'seed', 'sampler', 'num_gpus', 'dist'):
        options.pop(decided_here, None)
    options.setdefault('persistent_workers', workers > 0)
    rank, world_size = get_dist_info()
    return WorkerLoader(
        dataset,
        batch_sampler=PositionSampler(batch_size, rank, world_size, accumulate, start_iteration),
        num_workers=workers,
        collate_fn=functools.partial(collate, samples_per_gpu=batch_size),
        worker_init_fn=quiet_worker,
        pin_memory=torch.cuda.is_available() if pin_memory is None else pin_memory,
        **options,
    )


def build_test_loader(dataset: Dataset, workers: int) -> DataLoader:
    """A loader of single test images, this rank's share in order of their index."""
    rank, world_size = get_dist_info()
    indices = range(rank, len(dataset), world_size)  # type: ignore[arg-type]
    return WorkerLoader(
        dataset,
        batch_size=1,
        sampler=list(indices),
        num_workers=workers,
        worker_init_fn=quiet_worker,
        collate_fn=functools.partial(collate, samples_per_gpu=1),
    )


def to_device(batch: Mapping[str, Any], device: torch.device, channels_last: bool = False) -> dict[str, Any]:
    """Unwrap mmcv's containers, move tensors to ``device`` and normalise uint8 images there.

    Args:
        batch: collated batch; a stream's image key ``<prefix>img`` has its meta data under ``<prefix>img_metas``.
        channels_last: store images in that memory format.

    Returns:
        A flat dict with tensors on the device and lists of meta dicts.
    """
    moved = {key: _move(_unwrap(value), device) for key, value in batch.items()}
    for key, value in moved.items():
        if (key == 'img' or key.endswith('_img')) and torch.is_tensor(value):
            image = normalize_on_device(value, moved.get(f'{key}_metas') or [{}] * len(value))
            moved[key] = image.contiguous(memory_format=torch.channels_last) if channels_last else image
    return moved


def _unwrap(value: Any) -> Any:
    return value.data[0] if isinstance(value, DataContainer) else value


def _move(value: Any, device: torch.device) -> Any:
    if torch.is_tensor(value):
        return value.to(device, non_blocking=True)
    if (
        isinstance(value, (list, tuple))
        and value
        and all(torch.is_tensor(item) or isinstance(item, DataContainer) for item in value)
    ):
        return [_move(_unwrap(item), device) for item in value]
    return value

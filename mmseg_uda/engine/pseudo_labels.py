"""Predicting pseudo-labels for a whole data set (``tools/pseudo_labels.py extract``)."""

from __future__ import annotations

import hashlib
import json
import logging
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import torch
import torch.nn.functional as F
from mmcv import Config
from mmcv.runner import get_dist_info
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from ..datasets.pseudo_label_store import Origin, PseudoLabelStore, image_key, list_hash
from ..datasets.pseudo_labels import extraction_pipeline, unlabelled
from ..methods.base import UDASegmentor
from ..ops.esl import IGNORE, Criterion, label_and_score
from ..utils.checkpoint_io import plain
from ..utils.progress import progress
from .data import to_device
from .distributed import barrier
from .inference import inference_mode
from .test import load_model

UPSAMPLINGS = ('prob', 'logit')
#: images whose files may wait for a writer thread
_PENDING = 16


def network_probabilities(segmentor: Any, img: Tensor, metas: Sequence[Mapping[str, Any]]) -> Tensor:
    """Class probabilities (B, C, h, w) float32 at the network's resolution."""
    scores = segmentor.decode_head.forward_test(segmentor.extract_feat(img), list(metas), segmentor.test_cfg)
    return scores.float().softmax(1)


def predict_probabilities(segmentor: Any, img: Tensor, metas: Sequence[Mapping[str, Any]], upsample: str = 'prob') -> Tensor:
    """Class probabilities at the size of the input.

    Args:
        segmentor: an MMSeg ``EncoderDecoder``, in eval mode.
        img: normalised images (B, 3, H, W).
        upsample: ``prob`` takes the softmax at the network's resolution and upsamples it, as ESL and BDL do; ``logit``
            upsamples the scores first, as evaluation does (the only way for sliding windows and HRDA).

    Returns:
        (B, C, H, W) float32.
    """
    if upsample == 'logit':
        size = tuple(img.shape[2:])
        whole = [dict(meta, ori_shape=(*size, 3), img_shape=(*size, 3), flip=False) for meta in metas]
        return segmentor.inference(img, whole, rescale=False).float()
    return enlarged(network_probabilities(segmentor, img, metas), segmentor, img)


def enlarged(prob: Tensor, segmentor: Any, img: Tensor) -> Tensor:
    """Probabilities at the size of the input ``img``."""
    return F.interpolate(prob, size=img.shape[2:], mode='bilinear', align_corners=segmentor.decode_head.align_corners)


def check_upsample(segmentor: Any, upsample: str) -> None:
    """Refuse a way of upsampling that the segmentor cannot take.

    Raises:
        ValueError: names the remedy.
    """
    if upsample not in UPSAMPLINGS:
        raise ValueError(f"upsample must be one of {', '.join(UPSAMPLINGS)}, got '{upsample}'")
    plain_head = not hasattr(segmentor, 'extract_multi_resolution') and not isinstance(segmentor.decode_head, torch.nn.ModuleList)
    if upsample == 'prob' and not (plain_head and segmentor.test_cfg.get('mode', 'whole') == 'whole'):
        raise ValueError(f"upsample='prob' needs one head and whole-image inference, {type(segmentor).__name__} has test_cfg="
                         f"{dict(segmentor.test_cfg)}: use upsample='logit'")


def weights_hash(path: str) -> str:
    """Hash of a checkpoint file's bytes."""
    digest = hashlib.sha256()
    with open(path, 'rb') as file:
        for block in iter(lambda: file.read(1 << 22), b''):
            digest.update(block)
    return digest.hexdigest()[:16]


def target_config(cfg: Config, where: str = 'data.train.target') -> dict[str, Any]:
    """The data set config at a dotted path of ``cfg``; of a ``PseudoLabelDataset`` the one it is built on.

    Raises:
        KeyError: nothing there, or several data sets.
    """
    found: Any = cfg
    for name in where.split('.'):
        found = found[int(name)] if isinstance(found, (list, tuple)) and name.isdigit() else (found or {}).get(name)
    if isinstance(found, (list, tuple)):
        raise KeyError(f"'{where}' holds {len(found)} data sets: name one, such as {where}.0")
    if not isinstance(found, Mapping):
        raise KeyError(f"the config has no data set '{where}'")
    plain_cfg: dict[str, Any] = Config(dict(x=found))._cfg_dict.to_dict()['x']
    return plain_cfg['dataset'] if plain_cfg.get('type') == 'PseudoLabelDataset' else plain_cfg


def extract(
    cfg: Config, checkpoint: str, folder: Path, criterion: Criterion, device: torch.device, levels: int, upsample: str = 'prob',
    where: str = 'data.train.target', batch_size: int = 1, precision: str = 'fp32', test_with: Optional[str] = None,
    chunk: Optional[int] = None, shard: tuple[int, int] = (0, 1), logger: Optional[logging.Logger] = None, soft: bool = False,
) -> PseudoLabelStore:
    """Predict every image that has no prediction yet, then write label maps.

    Under a launcher the ranks share the images; several jobs may share them by ``shard``. Whoever finishes last writes the label
    maps. No label file of the data set is opened.

    Args:
        cfg: a training config; ``where`` is the path of the data set in it.
        checkpoint: weights of the model.
        folder: where to write; a folder of equal origin is completed.
        criterion: which labels to keep.
        levels: of the quantiser; 0 = exact.
        upsample: see :func:`predict_probabilities`.
        batch_size: images in one forward pass; all must have the same size.
        precision: autocast of the forward pass; probabilities are float32.
        test_with: the network that predicts (``student``, ``teacher``).
        chunk: see :meth:`~mmseg_uda.datasets.pseudo_label_store.PseudoLabelStore.write_labels`.
        shard: (number, total) of this job.
        soft: store the class probabilities at the network's resolution as well (CoaST); needs ``upsample='prob'``.

    Returns:
        The store; its label maps exist unless other jobs still predict.
    """
    rank, world_size = get_dist_info()
    options = target_config(cfg, where)
    steps = extraction_pipeline(options.get('pipeline', ()))
    dataset = unlabelled(options, steps)
    keys = [image_key(info['filename']) for info in dataset.img_infos]
    origin = Origin(
        weights_hash(checkpoint), list_hash(keys), tuple(dataset.CLASSES), criterion.score, levels, upsample,
        hashlib.sha256(json.dumps(plain(steps), sort_keys=True).encode()).hexdigest()[:16], soft=soft)
    method = load_model(cfg, checkpoint, test_with, device, logger)
    check_upsample(method.inference_model, upsample)
    if soft and upsample != 'prob':
        raise ValueError("soft pseudo-labels are probabilities at the network's resolution: they need upsample='prob'")
    if rank == 0:
        PseudoLabelStore.create(folder, origin, keys, checkpoint=str(checkpoint), test_with=method.test_with)
    barrier()
    store = PseudoLabelStore.create(folder, origin, keys)
    missing = set(store.missing())
    mine = [i for i, key in enumerate(keys) if key in missing][shard[0] * world_size + rank :: shard[1] * world_size]
    barrier()  # before any file appears, all ranks have listed what is missing
    workers = int((cfg.get('data') or {}).get('workers_per_gpu', 2))
    with inference_mode(method, device, precision):
        _predict(method, dataset, mine, store, device, batch_size, workers, quiet=rank > 0)
    barrier()
    if rank == 0 and not store.missing():
        store.write_labels(criterion, chunk)
    barrier()
    return PseudoLabelStore.open(folder)


def _predict(method: UDASegmentor, dataset: Dataset, indices: Sequence[int], store: PseudoLabelStore, device: torch.device,
             batch_size: int, workers: int, quiet: bool) -> None:
    loader = DataLoader(_Subset(dataset, indices), batch_size=batch_size, num_workers=workers, collate_fn=_collated)
    pending: list[Future[None]] = []
    with ThreadPoolExecutor(2) as pool:
        for keys, batch in progress(loader, 'pseudo-labels', total=len(loader), quiet=quiet):
            batch = to_device(batch, device)
            segmentor = method.inference_model
            soft = network_probabilities(segmentor, batch['img'], batch['img_metas']) if store.origin.soft else None
            prob = (predict_probabilities(segmentor, batch['img'], batch['img_metas'], store.origin.upsample) if soft is None
                    else enlarged(soft, segmentor, batch['img']))
            labels, scores = label_and_score(prob, store.origin.score)
            maps = [None] * len(keys) if soft is None else soft.half().cpu()
            for key, label, score, kept, meta in zip(keys, labels.to(torch.uint8).cpu(), scores.cpu(), maps, batch['img_metas']):
                height, width = meta['img_shape'][:2]
                label[height:], label[:, width:] = IGNORE, IGNORE  # padding has no label
                pending.append(pool.submit(store.write, key, label, score, kept))
            while len(pending) > _PENDING:
                pending.pop(0).result()
        for waiting in pending:
            waiting.result()


class _Subset(Dataset):
    """Some samples of a data set with their keys."""

    def __init__(self, dataset: Any, indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = list(indices)

    def __len__(self) -> int:
        return len(self.indices)

    def __getitem__(self, position: int) -> tuple[str, dict[str, Any]]:
        index = self.indices[position]
        return image_key(self.dataset.img_infos[index]['filename']), self.dataset[index]


def _collated(samples: Sequence[tuple[str, Mapping[str, Any]]]) -> tuple[list[str], dict[str, Any]]:
    """Keys and a batch of unwrapped images and meta data.

    Raises:
        ValueError: images of different sizes.
    """
    images = [sample['img'].data for _, sample in samples]
    sizes = {tuple(img.shape[1:]) for img in images}
    if len(sizes) > 1:
        raise ValueError(f'images of different sizes {sorted(sizes)} cannot share a batch: use --batch-size 1')
    return [key for key, _ in samples], {'img': torch.stack(images), 'img_metas': [sample['img_metas'].data for _, sample in samples]}

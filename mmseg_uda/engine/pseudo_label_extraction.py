"""Predicting pseudo-labels for a whole data set (``tools/pseudo_labels.py extract``)."""

from __future__ import annotations

import hashlib
import json
import logging
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Callable, Iterable, Iterator, Mapping, Optional, Sequence

import torch
from mmcv import Config
from mmcv.runner import get_dist_info
from torch import Tensor
from torch.utils.data import Dataset

from ..datasets.pipeline_config import extraction_pipeline
from ..datasets.pseudo_label_dataset import unlabelled
from ..datasets.pseudo_label_files import DEFERRED, Origin, image_key, list_hash
from ..datasets.pseudo_label_store import PseudoLabelStore
from ..methods.base import UDASegmentor
from ..models.heads import class_probabilities, class_scores, decision_scores, is_plain, scores_of
from ..ops.esl import Criterion, label_and_score
from ..ops.labels import IGNORE
from ..options.pseudo_labels import UPSAMPLINGS
from ..utils.checkpoint_io import plain
from ..utils.locks import LockedError
from ..utils.progress import progress
from ..utils.threads import Behind
from . import pseudo_label_modes as modes
from .data import to_device
from .distributed import barrier
from .inference import inference_mode
from .test import load_model
from .workers import WorkerLoader

#: images whose files may wait for a writer thread
_PENDING = 16
#: key, label, score, class probabilities if they are kept
Prediction = tuple[str, Tensor, Tensor, Optional[Tensor]]


def network_probabilities(segmentor: Any, img: Tensor) -> Tensor:
    """Class probabilities (B, C, h, w) float32 at the network's resolution."""
    scores = scores_of(segmentor, segmentor.extract_feat(img), None, ['decode'])['decode']
    return decision_scores(segmentor, scores).softmax(1)


def predict_probabilities(
    segmentor: Any, img: Tensor, metas: Sequence[Mapping[str, Any]], upsample: str = 'prob'
) -> Tensor:
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
        return class_probabilities(segmentor, segmentor.inference(img, whole, rescale=False).float())
    return enlarged(network_probabilities(segmentor, img), segmentor, img)


def enlarged(prob: Tensor, segmentor: Any, img: Tensor) -> Tensor:
    """Probabilities at the size of the input ``img``."""
    return class_scores(segmentor.decode_head, prob, img.shape[2:])


def check_upsample(segmentor: Any, upsample: str) -> None:
    """Refuse a way of upsampling that the segmentor cannot take.

    Raises:
        ValueError: names the remedy.
    """
    if upsample not in UPSAMPLINGS:
        raise ValueError(f"upsample must be one of {', '.join(UPSAMPLINGS)}, got '{upsample}'")
    whole = segmentor.test_cfg.get('mode', 'whole') == 'whole'
    if upsample == 'prob' and not (is_plain(segmentor) and whole):
        raise ValueError(
            f"upsample='prob' needs one head and whole-image inference, {type(segmentor).__name__} has test_cfg="
            f"{dict(segmentor.test_cfg)}: use upsample='logit'"
        )


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


@dataclass(frozen=True)
class ExtractionOptions:
    """How predictions are made and which labels they become.

    Attributes:
        criterion: which labels to keep.
        levels: of the quantiser; 0 = exact.
        upsample: see :func:`predict_probabilities`.
        where: path of the data set in the config.
        batch_size: images in one forward pass; all must have the same size.
        precision: autocast of the forward pass; probabilities are float32.
        test_with: the network that predicts (``student``, ``teacher``); None = the config's choice.
        chunk: see :meth:`~mmseg_uda.datasets.pseudo_label_store.PseudoLabelStore.write_labels`.
        shard: (number, total) of this job.
        soft: store the class probabilities at the network's resolution as well (CoaST); needs ``upsample='prob'``.
        mode: ``deferred`` keeps predictions and scores; ``two_pass`` and ``prequential`` keep label maps only, see
            :mod:`~mmseg_uda.engine.pseudo_label_modes`.
        prequential: options of :class:`~mmseg_uda.engine.pseudo_label_modes.Prequential`.
    """

    criterion: Criterion
    levels: int
    upsample: str = 'prob'
    where: str = 'data.train.target'
    batch_size: int = 1
    precision: str = 'fp32'
    test_with: Optional[str] = None
    chunk: Optional[int] = None
    shard: tuple[int, int] = (0, 1)
    soft: bool = False
    mode: str = DEFERRED
    prequential: Optional[Mapping[str, Any]] = None

    def __post_init__(self) -> None:
        modes.check_mode(self.mode, self.levels, self.chunk, self.soft)
        if self.soft and self.upsample != 'prob':
            raise ValueError(
                "soft pseudo-labels are probabilities at the network's resolution: they need upsample='prob'"
            )


def extract(
    cfg: Config,
    checkpoint: str,
    folder: Path,
    options: ExtractionOptions,
    device: torch.device,
    logger: Optional[logging.Logger] = None,
) -> PseudoLabelStore:
    """Predict every image that has no prediction yet, then write label maps.

    Under a launcher the ranks share the images; several jobs may share them by ``options.shard``. Whoever finishes
    last writes the label maps. No label file of the data set is opened.

    Args:
        cfg: a training config.
        checkpoint: weights of the model.
        folder: where to write; a folder of equal origin is completed.
        options: see :class:`ExtractionOptions`.

    Returns:
        The store; its label maps exist unless other jobs still predict.
    """
    data_cfg = target_config(cfg, options.where)
    steps = extraction_pipeline(data_cfg.get('pipeline', ()))
    dataset = unlabelled(data_cfg, steps)
    method = load_model(cfg, checkpoint, options.test_with, device, logger, dataset.CLASSES)
    check_upsample(method.inference_model, options.upsample)
    store = _open_store(folder, checkpoint, dataset, steps, options, method)
    workers = int((cfg.get('data') or {}).get('workers_per_gpu', 2))

    def predict(indices: Sequence[int], title: str = 'pseudo-labels') -> Iterator[Prediction]:
        loader = WorkerLoader(
            _Subset(dataset, indices), batch_size=options.batch_size, num_workers=workers, collate_fn=_collated
        )
        shown = progress(loader, title, total=len(loader), quiet=get_dist_info()[0] > 0)
        return _predictions(method, shown, store, device)

    with inference_mode(method, device, options.precision):
        if options.mode == DEFERRED:
            _write_predictions(store, predict(_own_share(store, options.shard)))
        else:
            _label_in_passes(store, options, predict)
    if options.mode == DEFERRED:
        barrier()
        if get_dist_info()[0] == 0 and not store.missing():
            _write_labels(store, options, logger)
        barrier()
    return PseudoLabelStore.open(folder)


def _open_store(
    folder: Path, checkpoint: str, dataset: Any, steps: Any, options: ExtractionOptions, method: UDASegmentor
) -> PseudoLabelStore:
    """The store of all ranks; rank 0 creates its files."""
    keys = [image_key(info['filename']) for info in dataset.img_infos]
    origin = Origin(
        weights_hash(checkpoint),
        list_hash(keys),
        tuple(dataset.CLASSES),
        options.criterion.score,
        options.levels,
        options.upsample,
        hashlib.sha256(json.dumps(plain(steps), sort_keys=True).encode()).hexdigest()[:16],
        soft=options.soft,
        mode=options.mode,
    )
    if get_dist_info()[0] == 0:
        notes = dict(checkpoint=str(checkpoint), test_with=method.test_with, criterion=asdict(options.criterion))
        PseudoLabelStore.create(folder, origin, keys, **notes)
    barrier()
    return PseudoLabelStore.create(folder, origin, keys)


def _own_share(store: PseudoLabelStore, shard: tuple[int, int]) -> list[int]:
    """The images that this process predicts, of those that are missing."""
    rank, world_size = get_dist_info()
    missing = set(store.missing())
    mine = [i for i, key in enumerate(store.keys) if key in missing][
        shard[0] * world_size + rank :: shard[1] * world_size
    ]
    barrier()  # before any file appears, all ranks have listed what is missing
    return mine


def _write_labels(store: PseudoLabelStore, options: ExtractionOptions, logger: Optional[logging.Logger]) -> None:
    try:
        store.write_labels(options.criterion, options.chunk)
    except LockedError as error:
        if options.shard[1] == 1:
            raise
        # two jobs have written the last predictions in the same moment
        (logger or logging.getLogger(__name__)).info('another job writes the label maps: %s', error)


def _label_in_passes(
    store: PseudoLabelStore,
    options: ExtractionOptions,
    predict: Callable[[Sequence[int], str], Iterator[Prediction]],
) -> None:
    def labels_and_scores(indices: Sequence[int], title: str) -> Iterator[tuple[str, Tensor, Tensor]]:
        return (prediction[:3] for prediction in predict(indices, title))

    if options.mode == 'two_pass':
        modes.two_pass(store, options.criterion, labels_and_scores, options.shard)
    else:
        prequential = modes.Prequential(**(options.prequential or {}))
        modes.prequential(store, options.criterion, labels_and_scores, prequential)


def _predictions(
    method: UDASegmentor, batches: Iterable[Any], store: PseudoLabelStore, device: torch.device
) -> Iterator[Prediction]:
    """Key, label uint8 (255 = padding), score and, if wanted, class probabilities of every image, on the host."""
    segmentor = method.inference_model
    for keys, batch in batches:
        batch = to_device(batch, device)
        soft = network_probabilities(segmentor, batch['img']) if store.origin.soft else None
        prob = (
            predict_probabilities(segmentor, batch['img'], batch['img_metas'], store.origin.upsample)
            if soft is None
            else enlarged(soft, segmentor, batch['img'])
        )
        labels, scores = label_and_score(prob, store.origin.score)
        maps = [None] * len(keys) if soft is None else soft.half().cpu()
        for key, label, score, kept, meta in zip(
            keys, labels.to(torch.uint8).cpu(), scores.cpu(), maps, batch['img_metas']
        ):
            height, width = meta['img_shape'][:2]
            label[height:], label[:, width:] = IGNORE, IGNORE  # padding has no label
            yield key, label, score, kept


def _write_predictions(store: PseudoLabelStore, predictions: Iterable[Prediction]) -> None:
    with Behind(threads=2, waiting=_PENDING) as behind:
        for prediction in predictions:
            behind(store.write, *prediction)


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
    return [key for key, _ in samples], {
        'img': torch.stack(images),
        'img_metas': [sample['img_metas'].data for _, sample in samples],
    }

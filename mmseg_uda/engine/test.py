"""Test entry point: mIoU of a checkpoint per target and on average, and files for test servers (``tools/test.py``)."""

from __future__ import annotations

import argparse
import logging
import os.path as osp
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence, cast

import mmcv
import numpy as np
import torch
from mmcv import Config
from mmcv.runner import get_dist_info
from mmseg.utils import get_root_logger
from torch import nn

from ..builder import build_train_model
from ..datasets.pipeline_config import with_test_augmentation
from ..methods.base import UDASegmentor
from ..models.execution import speed_up
from ..models.segmentors.ensemble import SegmentorEnsemble
from ..options.test import parse_args
from ..utils.checkpoint_io import CheckpointError, load_checkpoint_file, state_dict_of
from ..utils.class_lists import check_same_classes, classes_of
from ..utils.config_errors import naming_config
from . import environment
from .distributed import gather_objects
from .evaluation import Consumer, evaluate_all, run_test, write_metrics
from .evaluation_sets import PooledSets, named_test_sets, plain_configs
from .image_errors import ImageErrors, write_errors
from .predictions import PredictionWriter
from .temporal import temporal_consistency
from .weights import load_student


def main(argv: Optional[Sequence[str]] = None) -> dict[str, float]:
    """Run ``tools/test.py``; returns the metrics (rank 0)."""
    args = parse_args(argv)
    environment.apply_common_arguments(args)
    cfg = environment.load_config(args.config, args.cfg_options)
    if args.aug_test:
        _augment_tests(cfg)
    device = environment.start_processes(args.launcher, cfg.get('dist_params'), args.device, args.gpu_id)
    logger = get_root_logger(log_level=cfg.get('log_level', 'INFO'))
    environment.prepare_data(cfg)
    with naming_config(args.config):
        datasets = named_test_sets(cfg, 'test')
    model: nn.Module = load_model(
        cfg, args.checkpoint, 'teacher' if args.eval_teacher else args.test_with, device, logger
    )
    for dataset in datasets.values():
        check_same_classes(dict(CLASSES=model.CLASSES), dataset.CLASSES, args.checkpoint)
    if args.ensemble_with:
        model = ensemble(cast(UDASegmentor, model), args.ensemble_with, device, logger)
    writers = _writers(args, datasets)
    workers = int(cfg.data.get('workers_per_gpu', 2))
    options = dict(workers=workers, precision=args.precision, windows_per_batch=args.windows_per_batch)
    results: dict[str, list[Any]] = {}
    if args.format_only or (args.out and not args.eval):
        for name, dataset in datasets.items():
            keep = args.out is not None
            results[name] = run_test(
                model, dataset, device, consume=writers.get(name), label=name, score=False, keep=keep, **options
            )
        _write_results(args.out, results)
        return {}
    errors = {name: ImageErrors(dataset) for name, dataset in datasets.items() if ImageErrors.possible(dataset)}
    metrics = evaluate_all(
        model,
        datasets,
        device,
        logger,
        consumers=_joined(writers, errors),
        results=results,
        metric=args.eval or 'mIoU',
        **options,
        **(args.eval_options or {}),
    )
    if args.temporal:
        for name, dataset in datasets.items():
            figures = temporal_consistency(model, dataset, device, label=name, **options)
            metrics.update({k if len(datasets) == 1 else f'{k}.{name}': v for k, v in figures.items()})
    _write_results(args.out, results)
    gathered = gather_objects(errors)
    if get_dist_info()[0] == 0:
        _report(metrics, args, datasets, logger)
        merged = {name: one.merge([other[name] for other in gathered[1:]]) for name, one in errors.items()}
        write_errors(_result_file(args, 'errors'), merged)
    return metrics


def _joined(*consumers: Mapping[str, Consumer]) -> dict[str, Consumer]:
    """One consumer per data set that passes predictions on to all of them."""

    def to_all(several: Sequence[Consumer]) -> Consumer:
        def consume(prediction: np.ndarray, meta: Mapping[str, Any]) -> None:
            for one in several:
                one(prediction, meta)

        return consume

    names = dict.fromkeys(name for one in consumers for name in one)
    return {name: to_all([one[name] for one in consumers if name in one]) for name in names}


def _write_results(path: Optional[str], results: Mapping[str, Sequence[Any]]) -> None:
    """Pickle the results in the order of the images; of several data sets by name."""
    if path is not None and get_dist_info()[0] == 0:
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        mmcv.dump(next(iter(results.values())) if len(results) == 1 else dict(results), path)


def load_model(
    cfg: Config,
    checkpoint: str,
    test_with: Optional[str],
    device: torch.device,
    logger: Optional[logging.Logger] = None,
    classes: Optional[Sequence[str]] = None,
) -> UDASegmentor:
    """The method of a config with the weights of a checkpoint, ready to predict.

    Args:
        cfg: a training config of this package or a plain MMSeg config.
        checkpoint: its weights are loaded with :func:`load_student`'s checks.
        test_with: ``student``, ``teacher`` ... or None for the config's choice.
        classes: of the data that the model answers for; None = do not compare.

    Raises:
        CheckpointError: ``test_with`` names a network that the checkpoint does not hold, or its classes differ.
    """
    return speed_up(load_method(cfg, checkpoint, test_with, logger, classes)[0].to(device)).eval()


def load_method(
    cfg: Config,
    checkpoint: str,
    test_with: Optional[str],
    logger: Optional[logging.Logger] = None,
    classes: Optional[Sequence[str]] = None,
) -> tuple[UDASegmentor, dict[str, Any]]:
    """As :func:`load_model`, on the CPU with the plain layers of its config; also the meta data of the checkpoint."""
    cfg = Config(cfg._cfg_dict.copy() if hasattr(cfg, '_cfg_dict') else cfg)
    if cfg.model.get('pretrained') is not None:
        cfg.model.pretrained = None
    method = build_train_model(cfg, int(cfg.get('seed') or 0))
    loaded = load_checkpoint_file(checkpoint)
    check_same_classes(loaded.get('meta'), classes, checkpoint)
    state = state_dict_of(loaded)
    load_student(method, state, checkpoint, logger)
    if test_with is not None:
        method.test_with = test_with
    name = method.test_with
    student = {id(parameter) for parameter in method.student.parameters()}
    own = any(id(parameter) not in student for parameter in method.inference_model.parameters())
    if own and not any(key.startswith('uda.') for key in state):
        raise CheckpointError(
            f"'{checkpoint}' holds no '{name}' (it was written without method state): test with the student"
        )
    meta = loaded.get('meta') or {}
    method.CLASSES = classes_of(meta)
    method.PALETTE = meta.get('PALETTE') or (meta.get('dataset_meta') or {}).get('palette')
    return method.eval(), dict(meta)


def ensemble(
    model: UDASegmentor, others: Sequence[Sequence[str]], device: torch.device, logger: Optional[logging.Logger] = None
) -> nn.Module:
    """A network that answers with the mean of the scores of ``model`` and of the networks in ``others``, (config,
    checkpoint) each.

    Raises:
        CheckpointError: a network with another number of classes.
    """
    members = [model.inference_model]
    for config, checkpoint in others:
        member = load_model(environment.load_config(config), checkpoint, None, device, logger, model.CLASSES)
        members.append(member.inference_model)
        counts = [member.num_classes for member in (members[0], members[-1])]
        if counts[0] != counts[1]:
            raise CheckpointError(
                f"'{checkpoint}' has {counts[1]} classes, the tested network {counts[0]}: they have no common mean"
            )
    return SegmentorEnsemble(members, 'logit').eval()


def _augment_tests(cfg: Config) -> None:
    """mmseg's ``--aug-test``: six scales and flipping."""
    for entry in plain_configs(cfg.data.test, 'data.test'):
        entry['pipeline'][:] = with_test_augmentation(entry['pipeline'])  # the entries are copies, their lists are not


def _writers(args: argparse.Namespace, datasets: Mapping[str, Any]) -> dict[str, Consumer]:
    prefix = (args.eval_options or {}).get('imgfile_prefix')  # MMSegmentation's name of the folder
    if not (args.show_dir or args.format or args.format_only):
        return {}
    kind = args.format or ('train_ids' if args.format_only else 'overlay')
    root = Path(args.show_dir or prefix or Path(args.work_dir or Path(args.checkpoint).parent) / 'predictions')
    return {
        name: _writer(args, kind, root / name if len(datasets) > 1 else root, dataset)
        for name, dataset in datasets.items()
    }


def _writer(args: argparse.Namespace, kind: str, folder: Path, dataset: Any) -> Consumer:
    if isinstance(dataset, PooledSets):  # a folder for each, because their file names may repeat
        of_image = {}
        for i, part in enumerate(dataset.datasets):
            writer = _writer(args, kind, folder / str(i), part)
            of_image.update({osp.join(part.img_dir or '', info['filename']): writer for info in part.img_infos})
        return lambda prediction, meta: of_image[meta['filename']](prediction, meta)
    return PredictionWriter(
        folder, kind, dataset.CLASSES, dataset.PALETTE, args.opacity, keep_folders=_names_repeat(dataset)
    )


def _names_repeat(dataset: Any) -> bool:
    names = [Path(info['filename']).stem for info in dataset.img_infos]
    return len(set(names)) < len(names)


def _result_file(args: argparse.Namespace, kind: str) -> Path:
    name = f'{kind}_{Path(args.checkpoint).stem}{"_ensemble" if args.ensemble_with else ""}.json'
    return Path(args.work_dir or Path(args.checkpoint).parent) / name


def _report(
    metrics: Mapping[str, float], args: argparse.Namespace, datasets: Mapping[str, Any], logger: logging.Logger
) -> None:
    shown = ('mIoU', 'aAcc', 'mAcc', 'temporal')
    summary = {key: round(100 * value, 2) for key, value in metrics.items() if key.startswith(shown)}
    logger.info('results (percent): %s', ', '.join(f'{key} {value}' for key, value in summary.items()))
    path = _result_file(args, 'test')
    write_metrics(
        path,
        metrics,
        config=args.config,
        checkpoint=args.checkpoint,
        ensemble_with=args.ensemble_with,
        data_sets=list(datasets),
    )
    logger.info('written to %s', path)

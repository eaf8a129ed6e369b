"""Evaluation of a model on one or several named data sets, on one or several ranks."""

from __future__ import annotations

import functools
from concurrent.futures import Future
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence

import mmcv
import numpy as np
import torch
from mmcv.parallel import collate
from mmcv.runner import LoggerHook
from mmseg.core import EvalHook
from torch import nn

from ..datasets.label_spaces import CITY19, SPACES, eval_subsets
from ..datasets.video_spaces import NOT_SCORED
from ..utils.config import nearest
from ..utils.progress import progress
from ..utils.threads import Behind
from .data import build_test_loader, to_device
from .distributed import gather_objects
from .evaluation_sets import HARMONIC, score_image
from .inference import inference_mode
from .signals import Stopped
from .workers import WorkerLoader, quiet_worker

#: entry of a checkpoint: the iteration whose evaluation was cut short
DUE = 'evaluation_due'
#: called with (prediction (H, W), meta data) of each image
Consumer = Callable[[np.ndarray, Mapping[str, Any]], None]


def run_test(
    model: nn.Module,
    dataset: Any,
    device: torch.device,
    workers: int = 2,
    precision: str = 'fp32',
    consume: Optional[Consumer] = None,
    label: str = '',
    score: bool = True,
    windows_per_batch: int = 8,
    stop: Optional[Callable[[], bool]] = None,
    keep: bool = False,
) -> list[Any]:
    """Predict every image of ``dataset`` (this rank's share) and return MMSeg's pre-evaluation results of all ranks
    in order.

    Args:
        model: an MMSeg segmentor or a method of this package.
        consume: receives each prediction, for example to save it.
        score: False when the data set has no labels; the result is then a list of None.
        keep: without ``score``, return the label maps (H, W), uint8.
        label: name of the data set in the progress bar.
        stop: asked before every image.

    Raises:
        Stopped: on all ranks, when ``stop`` said so on one of them.
    """

    def finish(prediction: np.ndarray, meta: Mapping[str, Any], index: int) -> Any:
        if consume is not None:
            consume(prediction, meta)
        if score:
            return score_image(dataset, prediction, index)
        return prediction.astype(np.uint8) if keep else None

    loader = build_test_loader(dataset, workers)
    waiting: list[tuple[int, Future[Any]]] = []
    indices = list(loader.sampler)
    with inference_mode(model, device, precision, windows_per_batch), Behind() as behind:
        for index, batch in progress(zip(indices, loader), label or 'test', len(indices), quiet=not _is_main()):
            if stop is not None and stop():
                break
            images, metas = _test_inputs(batch, device)
            result = model(img=images, img_metas=metas, return_loss=False)
            waiting.append((index, behind(finish, result[0], metas[0][0], index)))
    mine = [(index, future.result()) for index, future in waiting]
    gathered = gather_objects((len(mine) < len(indices), mine))
    if any(cut for cut, _ in gathered):
        raise Stopped(f'the evaluation on {label} was stopped')
    merged = [pair for _, part in gathered for pair in part]
    return [value for _, value in sorted(merged, key=lambda pair: pair[0])]


def _is_main() -> bool:
    from mmcv.runner import get_dist_info

    return get_dist_info()[0] == 0


def _test_inputs(
    batch: Mapping[str, Any], device: torch.device
) -> tuple[list[torch.Tensor], list[list[dict[str, Any]]]]:
    """Images and meta data of a collated test batch: MultiScaleFlipAug gives lists, one entry per augmentation."""
    images = batch['img'] if isinstance(batch['img'], list) else [batch['img']]
    metas = batch['img_metas'] if isinstance(batch['img_metas'], list) else [batch['img_metas']]
    unwrapped = [to_device({'img': image, 'img_metas': meta}, device) for image, meta in zip(images, metas)]
    return [item['img'] for item in unwrapped], [item['img_metas'] for item in unwrapped]


def score_results(dataset: Any, results: Sequence[Any], logger: Any = None, **eval_options: Any) -> dict[str, float]:
    """MMSeg's metrics of ``results`` plus ``mIoU16`` and ``mIoU13``, the SYNTHIA protocols, for data sets with these
    classes, and ``mIoU11`` of SYNTHIA-Seq, whose fence is not scored.

    Returns:
        metrics in [0, 1]: ``mIoU``, ``mAcc``, ``aAcc``, ``IoU.<class>`` ...
    """
    eval_options.setdefault('metric', 'mIoU')
    metrics = {
        key: float(value) for key, value in dataset.evaluate(list(results), logger=logger, **eval_options).items()
    }
    for count in (16, 13):
        names = [CITY19[i] for i in eval_subsets(count)]
        if all(f'IoU.{name}' in metrics for name in names):
            metrics[f'mIoU{count}'] = float(np.nanmean([metrics[f'IoU.{name}'] for name in names]))
    for space, left_out in NOT_SCORED.items():
        if tuple(dataset.CLASSES) == tuple(SPACES[space][0]):
            scored = [name for name in dataset.CLASSES if name not in left_out]
            ious = [metrics[f'IoU.{name}'] for name in scored if f'IoU.{name}' in metrics]
            metrics[f'mIoU{len(scored)}'] = float(np.nanmean(ious)) if ious else float('nan')
    return metrics


def evaluate_all(
    model: nn.Module,
    datasets: Mapping[str, Any],
    device: torch.device,
    logger: Any = None,
    workers: int = 2,
    precision: str = 'fp32',
    consumers: Optional[Mapping[str, Consumer]] = None,
    windows_per_batch: int = 8,
    stop: Optional[Callable[[], bool]] = None,
    results: Optional[dict[str, list[Any]]] = None,
    **eval_options: Any,
) -> dict[str, float]:
    """Evaluate on every data set.

    Args:
        results: takes the counts of every image, by data set.

    Returns:
        On rank 0 the metrics of one data set, or, for several, the mean over data sets under the plain names, each
        one's mIoU under ``mIoU.<data set>`` and the harmonic mean of these under ``mIoU.harmonic``; an empty dict on
        other ranks.
    """
    per_set: dict[str, dict[str, float]] = {}
    for name, dataset in datasets.items():
        counts = run_test(
            model,
            dataset,
            device,
            workers,
            precision,
            (consumers or {}).get(name),
            name,
            windows_per_batch=windows_per_batch,
            stop=stop,
        )
        if results is not None:
            results[name] = counts
        if _is_main():
            if logger is not None and len(datasets) > 1:
                logger.info('results on %s', name)
            per_set[name] = score_results(dataset, counts, logger, **eval_options)
    return merged_metrics(per_set)


def merged_metrics(per_set: Mapping[str, Mapping[str, float]]) -> dict[str, float]:
    """The metrics of one data set, or of several as :func:`evaluate_all` names them; empty without any."""
    if len(per_set) <= 1:
        return dict(next(iter(per_set.values()), {}))
    shared = set.intersection(*(set(metrics) for metrics in per_set.values()))
    merged = {
        key: float(np.nanmean([metrics[key] for metrics in per_set.values()]))
        for key in next(iter(per_set.values()))
        if key in shared
    }
    merged.update(
        {
            f'{key}.{name}': value
            for name, metrics in per_set.items()
            for key, value in metrics.items()
            if key.startswith('mIoU')
        }
    )
    if 'mIoU' in merged:
        merged[f'mIoU.{HARMONIC}'] = harmonic_mean([metrics['mIoU'] for metrics in per_set.values()])
    return merged


def harmonic_mean(values: Sequence[float]) -> float:
    """Harmonic mean of the values that are not NaN; 0 when one of them is 0. It punishes a target that is left
    behind."""
    kept = [value for value in values if not np.isnan(value)]
    if not kept or min(kept) <= 0:
        return 0.0 if kept else float('nan')
    return len(kept) / sum(1 / value for value in kept)


class _DeviceLoader(WorkerLoader):
    """Test images one by one as a network takes them: on the device, without mmcv's containers.

    MMSegmentation's ``single_gpu_test`` and hooks that call it can use it with a network that is wrapped in nothing.
    """

    def __init__(self, dataset: Any, workers: int, device: torch.device) -> None:
        collation = functools.partial(collate, samples_per_gpu=1)
        super().__init__(dataset, batch_size=1, num_workers=workers, worker_init_fn=quiet_worker, collate_fn=collation)
        self.device = device

    def __iter__(self) -> Iterator[Any]:  # type: ignore[override]
        for batch in super().__iter__():
            images, metas = _test_inputs(batch, self.device)
            yield dict(img=images, img_metas=metas)


class UDAEvalHook(EvalHook):
    """MMSeg's evaluation hook (interval, ``save_best``) on this package's evaluation: several targets, ranks, batched
    windows, autocast.

    Args:
        datasets: validation sets by name.
        device, workers, precision: see :func:`run_test`.
        options: the ``evaluation`` part of a config (``interval``, ``metric``, ``save_best`` ...). ``save_best``
            names a metric of :func:`evaluate_all`: ``mIoU`` (the mean over targets), ``mIoU.harmonic``, ``mIoU.<data
            set>`` ... It selects on the targets' validation labels, which is oracle selection: most published numbers
            take the last iteration.
        test_with: evaluate these networks of the method as well (``['source_branch', 'ensemble']``); their metrics
            are called ``mIoU.<network>``.
    """

    #: of every metric of this package the larger value is the better one
    _default_greater_keys = ['IoU', 'Acc', 'Dice', 'Fscore', 'Precision', 'Recall']

    def __init__(
        self,
        datasets: Mapping[str, Any],
        device: torch.device,
        workers: int = 2,
        precision: str = 'fp32',
        test_with: Sequence[str] = (),
        **options: Any,
    ) -> None:
        first = next(iter(datasets.values()))
        for decided_here in ('efficient_test', 'pre_eval', 'by_epoch'):  # by_epoch=True: engine/config_checks.py
            options.pop(decided_here, None)
        # for hooks of others, which predict the first data set themselves (MMSegWandbHook)
        super().__init__(_DeviceLoader(first, workers, device), by_epoch=False, pre_eval=True, **options)
        self.datasets = datasets
        self.device = device
        self.workers = workers
        self.precision = precision
        self.test_with = tuple(test_with)

    def before_run(self, runner: Any) -> None:
        offered = runner.model.test_networks() if self.test_with else ()
        for name in self.test_with:
            if name not in offered:
                raise ValueError(
                    f"evaluation.test_with: {runner.model.title} has no network '{name}': {nearest(name, offered)}"
                )
        super().before_run(runner)

    def _evaluate(self, runner: Any) -> dict[str, float]:
        results: dict[str, list[Any]] = {}
        metrics = evaluate_all(
            runner.model,
            self.datasets,
            self.device,
            runner.logger,
            self.workers,
            self.precision,
            stop=lambda: bool(runner.stop),
            results=results,
            **self.eval_kwargs,
        )
        self.latest_results = next(iter(results.values()))
        return metrics

    def _all_metrics(self, runner: Any) -> dict[str, float]:
        metrics = self._evaluate(runner)
        own, counts = runner.model.test_with if self.test_with else None, self.latest_results
        for name in self.test_with:
            runner.model.test_with = name
            try:
                others = self._evaluate(runner)
            finally:
                runner.model.test_with = own
            metrics.update({f'{key}.{name}': value for key, value in others.items() if key.startswith('mIoU')})
        self.latest_results = counts
        return metrics

    def before_epoch(self, runner: Any) -> None:
        """Make up for the evaluation that a stop signal has cut short."""
        if (runner.meta or {}).get('hook_msgs', {}).pop(DUE, None) != runner.iter:
            return
        runner.logger.info('evaluating after %d iterations: the run was stopped in this evaluation', runner.iter)
        runner.mode = 'train'
        runner._iter -= 1  # hooks and file names count from the iteration that the evaluation belongs to
        try:
            self._do_evaluate(runner)
            for hook in runner.hooks:
                if isinstance(hook, LoggerHook):
                    hook.after_train_iter(runner)
        finally:
            runner._iter += 1

    def _do_evaluate(self, runner: Any) -> None:
        try:
            metrics = self._all_metrics(runner)
        except Stopped:
            runner.meta = runner.meta or {}
            runner.meta.setdefault('hook_msgs', {})[DUE] = runner.iter + 1
            runner.stop_now()
            return
        if runner.rank != 0:
            return
        runner.log_buffer.output['eval_iter_num'] = sum(len(dataset) for dataset in self.datasets.values())
        # what mmcv's log calls iter of an evaluation is the number of images
        runner.log_buffer.output['iteration'] = runner.iter + 1
        runner.log_buffer.output.update(metrics)
        runner.log_buffer.ready = True
        if self.save_best is None:
            return
        if self.key_indicator == 'auto':
            self._init_rule(self.rule, next(iter(metrics)))
        if self.key_indicator not in metrics:
            raise KeyError(f"evaluation.save_best='{self.key_indicator}' is no metric; there are {sorted(metrics)}")
        score = metrics[self.key_indicator]
        if np.isfinite(score):
            self._save_ckpt(runner, score)


def write_metrics(path: Path, metrics: Mapping[str, float], **context: Any) -> None:
    """Write metrics as JSON, atomically, for ``tools/report.py``."""
    from ..utils.checkpoint_io import plain, replacing

    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        mmcv.dump(plain({**context, 'metric': dict(metrics)}), str(temporary), file_format='json', indent=1)

"""Pictures and pseudo-label figures while a run trains (``views = dict(...)`` of a config)."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import cv2
import numpy as np
from mmcv.runner import HOOKS, Hook

from ..utils.config import check_options, signature_names
from ..utils.config_errors import ConfigError
from .pseudo_label_quality import LOGGED, quality_of
from .target_truth import TargetTruth
from .view_pictures import batch_views, draw_views, meta_of

FOLDER = 'views'
#: one JSON object per log interval: ``iter``, and by view what ``quality_of`` returns
FIGURES = 'pseudo_labels.jsonl'


@HOOKS.register_module()
class ViewsHook(Hook):
    """Draws what the method sees, and follows the quality of its pseudo-labels.

    Pictures hold source, target, pseudo-label with weight and confidence, mixed and masked images: whatever the method
    records (:meth:`~mmseg_uda.methods.base.UDASegmentor.record_view`), class patches, and key frames moved along the
    flow. They go into ``<work_dir>/views``, and to TensorBoard and Weights & Biases where ``log_config`` has their
    hooks. Figures go into the log line and, with all classes, into ``views/pseudo_labels.jsonl`` for
    ``tools/report.py``.

    Nothing here draws random numbers or changes the method, so that a run is the same with and without it, and the
    host waits for the device in iterations that are drawn or logged only. Process 0 draws.

    Args:
        interval: iterations between pictures, counted from the first one (``debug_img_interval`` of the DAFormer
            family); 0: none.
        images: of a stream in a picture, at most.
        width: of an image in a picture at most, in pixels.
        quality: follow the pseudo-labels at every log interval.
        accuracy: compare them with the target's labels, which are read for that and for nothing else; needs
            ``ann_dir`` of ``data.train.target``.
    """

    def __init__(
        self, interval: int = 1000, images: int = 2, width: int = 512, quality: bool = True, accuracy: bool = False
    ) -> None:
        if interval < 0 or images < 1 or width < 16:
            raise ValueError(
                f'views: interval must not be negative, images at least 1 and width at least 16, got {interval}, '
                f'{images} and {width}'
            )
        self.interval = interval
        self.images = images
        self.width = width
        self.quality = quality or accuracy
        self.accuracy = accuracy
        self._truth: Optional[TargetTruth] = None

    def configure(self, cfg: Any) -> None:
        """Read the data part of the config, where the target's labels are asked for."""
        if self.accuracy:
            self._truth = TargetTruth(cfg)

    def before_run(self, runner: Any) -> None:
        if self._truth is not None and runner.rank == 0:
            self._truth.open()

    # ---- when
    # ----------------------------------------------------------------------------------------------------------------
    def _draws(self, runner: Any) -> bool:
        return self.interval > 0 and runner.iter % self.interval == 0

    def _measures(self, runner: Any) -> bool:
        return self.quality and (runner.iter + 1) % runner.flush_interval == 0

    def before_train_iter(self, runner: Any) -> None:
        if runner.rank == 0 and (self._draws(runner) or self._measures(runner)):
            runner.model.views = {}

    def after_train_iter(self, runner: Any) -> None:
        views, runner.model.views = runner.model.views, None
        if not views:
            return
        if self._measures(runner):
            self._measure(runner, views)
        if self._draws(runner):
            try:
                self._draw(runner, views)
            except Exception:  # a picture is no reason to lose a training
                runner.logger.warning('no more pictures: drawing iteration %d failed', runner.iter + 1, exc_info=True)
                self.interval = 0

    # ---- what
    # ----------------------------------------------------------------------------------------------------------------
    def _measure(self, runner: Any, views: Mapping[str, Any]) -> None:
        truth = None if self._truth is None else self._truth.of(views, runner)
        found = quality_of(views, _classes_of(runner.model), truth)
        if not found:
            return
        path = Path(runner.work_dir) / FOLDER / FIGURES
        path.parent.mkdir(parents=True, exist_ok=True)
        with open(path, 'a', encoding='utf-8') as file:
            file.write(json.dumps({'iter': runner.iter + 1, **found}) + '\n')
        for name, figures in found.items():
            prefix = 'pseudo' if len(found) == 1 else f'pseudo.{name}'
            logged = {f'{prefix}.{key}': figures[key] for key in LOGGED if figures.get(key) is not None}
            runner.log_buffer.output.update(logged)

    def _draw(self, runner: Any, views: Mapping[str, Any]) -> None:
        shown = {**views, **batch_views(runner.data_batch)}
        model, classes = runner.model, _classes_of(runner.model)
        palette = getattr(model, 'PALETTE', None)
        palette = _greys(len(classes)) if palette is None else palette
        picture = draw_views(shown, meta_of(runner.data_batch), palette, classes, self.images, self.width)
        path = Path(runner.work_dir) / FOLDER / f'iter_{runner.iter + 1:06d}.jpg'
        path.parent.mkdir(parents=True, exist_ok=True)
        if not cv2.imwrite(str(path), np.ascontiguousarray(picture[..., ::-1]), [cv2.IMWRITE_JPEG_QUALITY, 92]):
            raise OSError(f"cannot write '{path}'")
        for hook in runner.hooks:
            if hasattr(getattr(hook, 'writer', None), 'add_image'):  # TensorboardLoggerHook
                hook.writer.add_image('views', picture, runner.iter + 1, dataformats='HWC')
            if hasattr(getattr(hook, 'wandb', None), 'Image'):  # WandbLoggerHook; its own line closes the step
                hook.wandb.log({'views': hook.wandb.Image(picture)}, step=runner.iter + 1, commit=False)


def _classes_of(model: Any) -> Sequence[str]:
    return getattr(model, 'CLASSES', None) or [str(c) for c in range(int(model.student.num_classes))]


def _greys(count: int) -> np.ndarray:
    return np.repeat(np.linspace(40, 250, count).astype(np.uint8)[:, None], 3, 1)


def views_options(cfg: Any) -> Optional[dict[str, Any]]:
    """Arguments of the hook that a run gets: ``views = dict(...)``; its interval is that of ``uda.debug_img_interval``
    where it says none. None: ``views=False``, or ``custom_hooks`` has a ``ViewsHook``.

    Raises:
        TypeError: an unknown option, with the nearest valid one.
    """
    views = cfg.get('views', {})
    if views is False or any(hook.get('type') == 'ViewsHook' for hook in cfg.get('custom_hooks') or []):
        return None
    if views is not None and not isinstance(views, Mapping):
        raise ConfigError(f'views must be dict(interval=...) or False, got {views!r}')
    options = dict(views or {})
    check_options(options, signature_names(ViewsHook) or (), 'views')
    published = (cfg.get('uda') or {}).get('debug_img_interval', 1000)
    options.setdefault('interval', int(published or 0))
    return options

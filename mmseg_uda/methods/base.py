"""The contract between a method and the engine.

A method is a :class:`UDASegmentor`: it holds the student (any MMSeg segmentor) and yields named loss terms. It never
calls ``backward``, ``step`` or ``.item()``; when and how gradients are made is the engine's business
(:mod:`mmseg_uda.engine.step`).
"""

from __future__ import annotations

import copy
from abc import abstractmethod
from dataclasses import dataclass, field
from typing import Any, ClassVar, Iterator, Mapping, Optional, Sequence, Union

import torch
from mmseg.models import build_segmentor
from mmseg.models.segmentors.base import BaseSegmentor
from torch import Tensor, nn

from ..models.own_training import check_own_training
from ..models.pretrained import init_segmentor_weights
from ..utils.rng import StepRng

STUDENT_PREFIX = 'student.'
STATE_PREFIX = 'uda.'


@dataclass
class LossTerm:
    """One part of the objective.

    Attributes:
        name: short name, such as ``source`` or ``mixed``; used in messages about non-finite losses.
        loss: scalar tensor to minimise.
        weight: factor of ``loss`` in the objective; ``log`` entries are not scaled by it.
        log: scalar tensors to log under their full names (``mix.decode.loss_ce``); ``{name: loss}`` when empty.
        updates: names (keys of :meth:`UDASegmentor.networks`) of the networks that this term may update; None = all
            of them. Gradients never reach the others, although the graph runs through them (an adversarial loss runs
            through the discriminator and updates the segmentor only).
        keep_graph: the next term shares this term's graph. The engine then either sums the two before one backward pass
            (policy ``merged``) or keeps the graph alive (policy ``sequential``).
    """

    name: str
    loss: Tensor
    weight: Union[float, Tensor] = 1.0
    log: dict[str, Tensor] = field(default_factory=dict)
    updates: Optional[tuple[str, ...]] = None
    keep_graph: bool = False

    @classmethod
    def from_losses(cls, name: str, losses: Mapping[str, Any], prefix: str = '', **options: Any) -> LossTerm:
        """Sum an MMSeg loss dict: every entry whose key contains ``loss`` counts (lists are summed), all are logged
        with ``prefix``."""
        log: dict[str, Tensor] = {}
        total: Optional[Tensor] = None
        for key, value in losses.items():
            value = torch.stack([v.mean() for v in value]).sum() if isinstance(value, (list, tuple)) else value.mean()
            log[prefix + key] = value.detach()
            if 'loss' in key:
                total = value if total is None else total + value
        if total is None:
            raise KeyError(f"loss term '{name}': none of the keys {sorted(losses)} contains 'loss'")
        return cls(name=name, loss=total, log=log, **options)


@dataclass
class OptimizerStep:
    """Yielded in the middle of an iteration: step the optimisers of ``networks`` now (co-training that labels with
    the updated network).

    Networks that were not stepped in this way are stepped once, after the last term.
    """

    networks: tuple[str, ...]


TrainingEvent = Union[LossTerm, OptimizerStep]


class UDASegmentor(BaseSegmentor):
    """Base class of all methods.

    Args:
        model: config of the student, any MMSeg segmentor, or a built one.
        train_cfg, test_cfg: as in MMSeg; only used when ``model`` does not hold them.
        max_iters: length of the run in iterations, for schedules inside a method.
        seed: base seed of the counter-based random numbers.
        test_with: ``student`` or ``teacher`` (or another network that :meth:`test_networks` offers): which one
            answers at test time.

    Checkpoints: the student's keys stand at the root (``backbone.*``, ``decode_head.*``), everything else under
        ``uda.*``. Modules named
    in ``frozen_references`` never change and are left out.
    """

    #: streams that a batch must hold; checked before the first iteration
    required_streams: ClassVar[tuple[str, ...]] = ('source',)
    #: attribute names of frozen networks that are rebuilt from their own files and never saved
    frozen_references: ClassVar[tuple[str, ...]] = ()
    #: whether passes on labelled images go through a ``forward_train`` that the student overrides
    calls_forward_train: ClassVar[bool] = False
    #: whether iterations hold an :class:`OptimizerStep`, which excludes gradient accumulation
    steps_within_iteration: bool = False

    def __init__(
        self,
        model: Any,
        train_cfg: Any = None,
        test_cfg: Any = None,
        max_iters: Optional[int] = None,
        seed: int = 0,
        test_with: str = 'student',
    ) -> None:
        super().__init__()
        if not isinstance(model, nn.Module):
            model = copy.deepcopy(dict(model))  # MMSeg writes into the config that it builds from
            embedded = [
                key
                for key, value in (('train_cfg', train_cfg), ('test_cfg', test_cfg))
                if value is not None and key in model
            ]
            if embedded:
                raise ValueError(
                    f'{embedded} stand both inside model and at the top level of the config: keep one of them'
                )
            model = build_segmentor(model, train_cfg=train_cfg, test_cfg=test_cfg)
        check_own_training(model, type(self).__name__, self.calls_forward_train)
        self.student = model
        self.max_iters = max_iters
        self.seed = seed
        self.iteration = 0
        self.rng = StepRng(seed, 0)
        self.views: Optional[dict[str, dict[str, Tensor]]] = None
        self._test_with = test_with
        self._register_state_dict_hook(_rename_saved_keys)
        self._register_load_state_dict_pre_hook(self._rename_loaded_keys)

    # ---- the contract
    # -----------------------------------------------------------------------------------------------------------
    @abstractmethod
    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[TrainingEvent]:
        """Yield the loss terms of one iteration, one after another.

        Args:
            batch: the flat batch of :mod:`mmseg_uda.streams`, on the model's device, images normalised to float.
        """

    def networks(self) -> dict[str, nn.Module]:
        """The trainable networks by name. ``optimizer`` in a config is one optimiser for all, or a dict with these
        names as keys."""
        return {'segmentor': self.student}

    def begin_iteration(self, iteration: int, rng: StepRng) -> None:
        """Called by the engine before :meth:`training_losses`; an EMA update at the start of a step belongs here."""
        self.iteration = iteration
        self.rng = rng

    def end_iteration(self) -> None:
        """Called by the engine after the last optimiser step of an iteration."""

    def train(self, mode: bool = True) -> UDASegmentor:
        """Train or eval mode; frozen references stay in eval mode. Methods with teachers extend this."""
        super().train(mode)
        for name in self.frozen_references:
            module = getattr(self, name, None)
            if module is not None:
                module.eval()
        return self

    def record_view(self, name: str, **tensors: Optional[Tensor]) -> None:
        """Keep what a network was shown, for pictures; does nothing unless ``self.views`` is a dict.

        Args:
            name: ``source``, ``target``, ``mixed``, ``masked`` ...
            tensors: ``img`` (B, 3, H, W) normalised, ``label`` (B, 1, H, W) or (B, H, W), ``weight`` (B, H, W), ...
        """
        if self.views is not None:
            self.views[name] = {key: value.detach() for key, value in tensors.items() if value is not None}

    # ---- test time
    # --------------------------------------------------------------------------------------------------------------
    def test_networks(self) -> dict[str, nn.Module]:
        """Networks that may answer at test time, by the name that ``test_with`` takes."""
        found: dict[str, nn.Module] = {'student': self.student}
        teacher = getattr(self, 'teacher', None)
        if teacher is not None:
            found['teacher'] = teacher.model
        return found

    @property
    def test_with(self) -> str:
        return self._test_with

    @test_with.setter
    def test_with(self, name: str) -> None:
        if name not in self.test_networks():
            raise ValueError(f"test_with='{name}': {type(self).__name__} offers {sorted(self.test_networks())}")
        self._test_with = name

    @property
    def inference_model(self) -> Any:
        """The segmentor that answers at test time."""
        return self.test_networks()[self._test_with]

    def init_weights(self) -> None:
        """Initialise (load pretrained weights into) the student; methods with references or copies extend this."""
        init_segmentor_weights(self.student)

    def extract_feat(self, img: Tensor) -> Any:
        return self.inference_model.extract_feat(img)

    def encode_decode(self, img: Tensor, img_metas: Sequence[Mapping[str, Any]]) -> Tensor:
        return self.inference_model.encode_decode(img, img_metas)

    def inference(self, img: Tensor, img_meta: Any, rescale: bool) -> Tensor:
        return self.inference_model.inference(img, img_meta, rescale)

    def forward_train(self, img: Tensor, img_metas: Any, gt_semantic_seg: Tensor, **kwargs: Any) -> dict[str, Tensor]:
        return self.student.forward_train(img, img_metas, gt_semantic_seg, **kwargs)

    def simple_test(self, img: Tensor, img_meta: Any, rescale: bool = True) -> Any:
        return self.inference_model.simple_test(img, img_meta, rescale)

    def aug_test(self, imgs: Any, img_metas: Any, rescale: bool = True) -> Any:
        return self.inference_model.aug_test(imgs, img_metas, rescale)

    def train_step(self, data_batch: Any, optimizer: Any, **kwargs: Any) -> dict[str, Any]:
        raise RuntimeError(
            f'{type(self).__name__} is trained by the engine (tools/train.py of mmseg_uda, or '
            'mmseg_uda.engine.TrainStep): '
            'a plain mmcv runner would not reduce gradients or order the optimiser steps of this method'
        )

    # ---- checkpoints
    # ------------------------------------------------------------------------------------------------------------
    def _is_frozen_reference(self, key: str) -> bool:
        return key.split('.', 1)[0] in self.frozen_references

    def _rename_loaded_keys(self, state: dict[str, Any], prefix: str, *_: Any) -> None:
        """Bring a checkpoint's keys to attribute paths, and fill frozen references with what they hold."""
        own = {key[len(prefix) :] for key in state if key.startswith(prefix)}
        for key in own:
            target = key[len(STATE_PREFIX) :] if key.startswith(STATE_PREFIX) else STUDENT_PREFIX + key
            state[prefix + '\0' + target] = state.pop(prefix + key)
        for key in [key for key in state if key.startswith(prefix + '\0')]:
            state[prefix + key[len(prefix) + 1 :]] = state.pop(key)
        for name in self.frozen_references:
            module = getattr(self, name, None)
            if module is not None:
                state.update({f'{prefix}{name}.{key}': value for key, value in module.state_dict().items()})


def _rename_saved_keys(module: UDASegmentor, state: dict[str, Any], prefix: str, _: Any) -> None:
    for key in [key for key in state if key.startswith(prefix)]:
        path, value = key[len(prefix) :], state.pop(key)
        if module._is_frozen_reference(path):
            continue
        path = path[len(STUDENT_PREFIX) :] if path.startswith(STUDENT_PREFIX) else STATE_PREFIX + path
        state[prefix + path] = value

"""The contract between a method and the engine.

A method is a :class:`UDASegmentor`: it holds the student (any MMSeg segmentor) and yields named loss terms. It never
calls ``backward``, ``step`` or ``.item()``; when and how gradients are made is the engine's business
(:mod:`mmseg_uda.engine.step`). One iteration is::

    method.begin_iteration(iteration, rng)             # an EMA teacher follows, this iteration's random numbers
    for event in method.training_losses(batch):        # a generator: it computes a term when it is asked for it
        if isinstance(event, OptimizerStep): step(event.networks)  # co-training only
        else: (event.weight * event.loss).backward()   # after the last term of a graph, into event.updates
    step(all networks that were not stepped yet)       # skipped when a loss or gradient is not finite
    method.end_iteration()                             # banks, teachers that follow at the end

docs/guides/extending.md writes a method from the first line to its tests.
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
from ..registry import UDA
from ..utils.rng import StepRng

STUDENT_PREFIX = 'student.'
STATE_PREFIX = 'uda.'
#: see ``running_statistics`` of :class:`UDASegmentor`
RUNNING_STATISTICS = ('training', 'target')


@dataclass
class LossTerm:
    """One part of the objective.

    Attributes:
        name: short name, such as ``source`` or ``mixed``; used in messages about non-finite losses.
        loss: scalar tensor to minimise.
        weight: factor of ``loss`` in the objective. Log lines mean the same in every method: each entry is what was
            measured, without the method's weights, and the entry ``loss`` is the weighted total.
        log: scalar tensors to log under their full names (``mix.decode.loss_ce``), each name once in an iteration;
            ``{name: loss}`` when empty.
        updates: names (keys of :meth:`UDASegmentor.networks`) of the networks that this term may update; None = all
            of them. Gradients never reach the others, although the graph runs through them (an adversarial loss runs
            through the discriminator and updates the segmentor only).
        keep_graph: the next term shares this term's graph. The engine then either sums the two before one backward pass
            (policy ``merged``) or keeps the graph alive (policy ``sequential``).

    Raises:
        TypeError, ValueError: an attribute that the engine could not use; the message says how to mend it.
    """

    name: str
    loss: Tensor
    weight: Union[float, Tensor] = 1.0
    log: dict[str, Tensor] = field(default_factory=dict)
    updates: Optional[tuple[str, ...]] = None
    keep_graph: bool = False

    def __post_init__(self) -> None:
        _check_scalar(self.loss, f"loss term '{self.name}'")
        if isinstance(self.weight, Tensor):
            _check_scalar(self.weight, f"weight of loss term '{self.name}'")
        for key, value in self.log.items():
            _check_scalar(value, f"log entry '{key}' of loss term '{self.name}'")
        if isinstance(self.updates, str):
            raise TypeError(
                f"loss term '{self.name}': updates='{self.updates}' must be a tuple of names: "
                f"updates=('{self.updates}',)"
            )

    @classmethod
    def from_losses(
        cls,
        name: str,
        losses: Mapping[str, Any],
        prefix: str = '',
        weights: Optional[Mapping[str, float]] = None,
        **options: Any,
    ) -> LossTerm:
        """Sum an MMSeg loss dict.

        Args:
            losses: every entry whose key contains ``loss`` counts (lists are summed, tensors averaged).
            prefix: of the log entries, which are all entries of ``losses``, unweighted.
            weights: factors in the sum by key of ``losses``; 1 where there is none.
            options: other attributes of the term.
        """
        weights = weights or {}
        log: dict[str, Tensor] = {}
        total: Optional[Tensor] = None
        for key, value in losses.items():
            value = torch.stack([v.mean() for v in value]).sum() if isinstance(value, (list, tuple)) else value.mean()
            log[prefix + key] = value.detach()
            if 'loss' in key:
                value = weights[key] * value if key in weights else value
                total = value if total is None else total + value
        if total is None:
            raise KeyError(f"loss term '{name}': none of the keys {sorted(losses)} contains 'loss'")
        return cls(name=name, loss=total, log=log, **options)


def _check_scalar(value: Any, what: str) -> None:
    if not isinstance(value, Tensor):
        raise TypeError(
            f'{what} must be a tensor, got {type(value).__name__} {value!r:.60}: for a constant take '
            'img.new_tensor(...), which lives on the device of the images'
        )
    if value.dim() > 0:
        raise ValueError(
            f'{what} must be a scalar, got shape {tuple(value.shape)}: reduce it, for example with .mean()'
        )


@dataclass
class OptimizerStep:
    """Yielded in the middle of an iteration: step the optimisers of ``networks`` now (co-training that labels with
    the updated network).

    Networks that were not stepped in this way are stepped once, after the last term.
    """

    networks: tuple[str, ...]

    def __post_init__(self) -> None:
        if isinstance(self.networks, str):
            raise TypeError(
                f"OptimizerStep: networks='{self.networks}' must be a tuple of names: "
                f"OptimizerStep(('{self.networks}',))"
            )


TrainingEvent = Union[LossTerm, OptimizerStep]


class UDASegmentor(BaseSegmentor):
    """Base class of all methods.

    Args:
        model: config of the student, any MMSeg segmentor, or a built one.
        train_cfg, test_cfg: as in MMSeg; only used when ``model`` does not hold them.
        max_iters: length of the run in iterations, for schedules inside a method.
        seed: base seed of the counter-based random numbers.
        test_with: the network of :meth:`test_networks` that answers at test time; None = ``default_test_with``.
        running_statistics: of batch norm, at test time: ``training``: what passed through the network in training,
            ``target``: recomputed on target images where the run is evaluated or saved (AdaBN).

    Checkpoints: the student's keys stand at the root (``backbone.*``, ``decode_head.*``), everything else under
    ``uda.*``. Modules named in ``frozen_references`` never change and are left out.
    """

    #: attribute names of frozen networks that are rebuilt from their own files and never saved
    frozen_references: ClassVar[tuple[str, ...]] = ()
    #: plain attributes that go with buffers (a flag "started"): a skipped iteration puts them back, as it does buffers
    python_state: ClassVar[tuple[str, ...]] = ()
    #: whether passes on labelled images go through a ``forward_train`` that the student overrides
    calls_forward_train: ClassVar[bool] = False
    #: whether pseudo-labels have no weight where a target stream says so (``Stream.valid``: margins, padding)
    heeds_margins: ClassVar[bool] = True
    #: the network that answers at test time when the config does not say
    default_test_with: ClassVar[str] = 'student'

    def __init__(
        self,
        model: Any,
        train_cfg: Any = None,
        test_cfg: Any = None,
        max_iters: Optional[int] = None,
        seed: int = 0,
        test_with: Optional[str] = None,
        running_statistics: str = 'training',
    ) -> None:
        super().__init__()
        if running_statistics not in RUNNING_STATISTICS:
            raise ValueError(f'uda.running_statistics must be one of {RUNNING_STATISTICS}, got {running_statistics!r}')
        self.running_statistics = running_statistics
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
        check_own_training(model, self.title, self.calls_forward_train)
        self.student = model
        self.max_iters = max_iters
        self.seed = seed
        self.iteration = 0
        self.rng = StepRng(seed, 0)
        self.views: Optional[dict[str, dict[str, Tensor]]] = None
        self._test_with = test_with or self.default_test_with
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

    @property
    def title(self) -> str:
        """What a config calls the method (``type``), for messages."""
        names = (name for name, cls in UDA.module_dict.items() if cls is type(self))
        return next(names, type(self).__name__)

    @property
    def required_streams(self) -> tuple[str, ...]:
        """Streams that a batch must hold; checked before the first iteration. A subclass may as well give a tuple as
        a class attribute."""
        return ('source',)

    @property
    def steps_within_iteration(self) -> bool:
        """Whether iterations hold an :class:`OptimizerStep`, which excludes gradient accumulation."""
        return False

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
        return {'student': self.student}

    @property
    def test_with(self) -> str:
        """Which of :meth:`test_networks` answers at test time."""
        return self._test_with

    @test_with.setter
    def test_with(self, name: str) -> None:
        self.test_network(name)
        self._test_with = name

    def test_network(self, name: str) -> Any:
        """The network of this name; ``build_train_model`` asks for that of ``test_with`` once the method is built.

        Raises:
            ValueError: it is none of :meth:`test_networks`.
        """
        offered = self.test_networks()
        if name not in offered:
            raise ValueError(f"test_with='{name}': {self.title} offers {sorted(offered)}")
        return offered[name]

    @property
    def inference_model(self) -> Any:
        """The segmentor that answers at test time."""
        return self.test_network(self._test_with)

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
            f'{self.title} is trained by the engine (tools/train.py of mmseg_uda, or '
            'mmseg_uda.engine.TrainStep): '
            'a plain mmcv runner would not reduce gradients or order the optimiser steps of this method'
        )

    # ---- checkpoints
    # ------------------------------------------------------------------------------------------------------------
    def _is_frozen_reference(self, key: str) -> bool:
        return key.split('.', 1)[0] in self.frozen_references

    def _rename_loaded_keys(self, state: dict[str, Any], prefix: str, *_: Any) -> None:
        """Bring a checkpoint's keys to attribute paths, and fill frozen references with what they hold."""
        renamed = {}
        for key in [key for key in state if key.startswith(prefix)]:
            path, value = key[len(prefix) :], state.pop(key)
            path = path[len(STATE_PREFIX) :] if path.startswith(STATE_PREFIX) else STUDENT_PREFIX + path
            renamed[prefix + path] = value
        state.update(renamed)
        for name in self.frozen_references:
            module = getattr(self, name, None)
            if module is not None:
                state.update({f'{prefix}{name}.{key}': value for key, value in module.state_dict().items()})


def _rename_saved_keys(module: UDASegmentor, state: dict[str, Any], prefix: str, _: Any) -> None:
    """The inverse: attribute paths to a checkpoint's keys, without frozen references."""
    for key in [key for key in state if key.startswith(prefix)]:
        path, value = key[len(prefix) :], state.pop(key)
        if module._is_frozen_reference(path):
            continue
        path = path[len(STUDENT_PREFIX) :] if path.startswith(STUDENT_PREFIX) else STATE_PREFIX + path
        state[prefix + path] = value

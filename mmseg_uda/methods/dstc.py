"""DSTC: two co-trained networks for semi-supervised domain adaptation (Gao, Wang, Zhang, ICME 2024)."""

from __future__ import annotations

import copy
from typing import Any, Iterator, Mapping, Optional

import torch
from mmcv.runner import get_dist_info
from mmseg.models import build_segmentor
from torch import Tensor, nn

from ..components.cross_rank import current_ranks
from ..components.teacher_mode import set_teacher_mode
from ..models.pretrained import init_segmentor_weights, resolve_checkpoint
from ..models.training_interface import logits
from ..ops import dstc as ops
from ..ops.mixing import LABEL_VALUES
from ..ops.semi_supervised import Ranks, ohem_cross_entropy
from ..registry import UDA
from ..utils.checkpoint_io import CheckpointError, load_checkpoint_file, state_dict_of
from ..utils.rng import rand_per_sample
from .base import STATE_PREFIX, LossTerm, OptimizerStep, TrainingEvent, UDASegmentor
from .streams import Stream, split_streams

SOURCE_BRANCH, TARGET_BRANCH = 'source_branch', 'target_branch'


@UDA.register_module()
class DSTC(UDASegmentor):
    """A source-biased network (the student) and a target-biased one label unlabelled target images for each other.

    The source branch sees labelled source and target images as they are, the target branch only source classes pasted
    on labelled target images. Only the main decode head is trained.

    Args:
        model: config of the source branch.
        init: checkpoints of the warm-ups, ``dict(source=..., target=...)``; None starts both from the weights that
            ``model`` names (domain-specific initialisation off). It has no default on purpose.
        model_target: config of the target branch; None = the same architecture.
        align_weight: weight of the target-preferred alignment.
        align_ignore: ignored pixels form one more group in the alignment, as in the released code.
        labeled_replacement, pseudo_replacement: whether classes to paste are drawn with replacement.
        pseudo_training_mode: networks label and give alignment references in train mode, which also updates their batch statistics,
            as in the released code; else in eval mode.
        test_with: ``student`` (source branch) or ``target_branch``.
    """

    required_streams = ('source', 'labeled_target', 'target')

    def __init__(
        self,
        model: Any,
        init: Optional[Mapping[str, str]],
        model_target: Any = None,
        align_weight: float = 0.1,
        align_ignore: bool = True,
        labeled_replacement: bool = True,
        pseudo_replacement: bool = False,
        pseudo_training_mode: bool = True,
        test_with: str = TARGET_BRANCH,
        **kwargs: Any,
    ) -> None:
        second = copy.deepcopy(model if model_target is None else model_target)
        super().__init__(model, **kwargs)
        if init is not None and set(init) != {'source', 'target'}:
            raise ValueError(f"uda.init must be None or hold 'source' and 'target', got {sorted(init)}")
        if not isinstance(second, nn.Module):
            second = build_segmentor(dict(second))
        self.target_branch = second
        self.init = init
        self.align_weight, self.align_ignore = align_weight, align_ignore
        self.labeled_replacement, self.pseudo_replacement = labeled_replacement, pseudo_replacement
        self.pseudo_training_mode = pseudo_training_mode
        self.test_with = test_with

    def networks(self) -> dict[str, nn.Module]:
        return {SOURCE_BRANCH: self.student, TARGET_BRANCH: self.target_branch}

    def test_networks(self) -> dict[str, nn.Module]:
        return {**super().test_networks(), TARGET_BRANCH: self.target_branch}

    def init_weights(self) -> None:
        """Load the warm-ups, or the pretrained weights of both networks with ``init=None``."""
        for name, network in (('source', self.student), ('target', self.target_branch)):
            if self.init is None:
                init_segmentor_weights(network)
            else:
                load_warm_up(network, self.init[name], f'uda.init.{name}')

    # ---- one iteration ----------------------------------------------------------------------------------------------------------
    def training_losses(self, batch: Mapping[str, Any]) -> Iterator[TrainingEvent]:
        streams, ranks = split_streams(batch), current_ranks()
        source, labeled, img = streams['source'], streams['labeled_target'], streams['target'].img
        label_s, label_t = _label(source), _label(labeled)
        if source.img.shape != labeled.img.shape:
            raise ValueError(
                f'DSTC pastes source classes on labelled target images of one size, got {tuple(source.img.shape)} and '
                f'{tuple(labeled.img.shape)}: give both streams the same crop_size and batch size'
            )
        only: dict[str, Any] = dict(updates=(SOURCE_BRANCH,))
        scores = logits(self.student, source.img, source.metas)
        yield LossTerm('source', self.cross_entropy(scores, label_s, ranks), keep_graph=True, **only)
        reference = self.predict(self.target_branch, source.img)
        align = ops.target_preferred_alignment(scores, reference, label_s, self.align_ignore, ranks)
        yield LossTerm('align', align, weight=self.align_weight, **only)
        del scores
        yield LossTerm('labeled_target', self.cross_entropy(logits(self.student, labeled.img), label_t, ranks), **only)
        yield self.unlabeled_term('mix_source_branch', self.student, self.target_branch, img, ranks, SOURCE_BRANCH)
        yield OptimizerStep((SOURCE_BRANCH,))

        chosen = self.choose_classes('labeled', label_s, self.labeled_replacement)
        mixed, label, _ = ops.paste_classes(source.img, label_s, chosen, labeled.img, label_t)
        self.record_view('mixed_labeled', img=mixed, label=label)
        loss = self.cross_entropy(logits(self.target_branch, mixed), label, ranks)
        yield LossTerm('mixed_labeled', loss, updates=(TARGET_BRANCH,))
        yield self.unlabeled_term('mix_target_branch', self.target_branch, self.student, img, ranks, TARGET_BRANCH)

    def unlabeled_term(
        self, name: str, learner: nn.Module, labeler: nn.Module, img: Tensor, ranks: Ranks, updates: str
    ) -> LossTerm:
        """Cross entropy of ``learner`` on unlabelled images, mixed with each other by the labels of ``labeler``.

        Image b is pasted on image b + 1 of the batch of all ranks; a single image is left as it is.
        """
        pseudo = self.predict(labeler, img).argmax(1)
        chosen = self.choose_classes(name, pseudo, self.pseudo_replacement)
        mixed, label, _ = ops.paste_classes(img, pseudo, chosen, _next(img, ranks), _next(pseudo, ranks))
        self.record_view(name, img=mixed, label=label)
        return LossTerm(name, self.cross_entropy(logits(learner, mixed), label, ranks), updates=(updates,))

    def choose_classes(self, name: str, label: Tensor, replacement: bool) -> Tensor:
        """Classes to paste: half of those of each image; bool (B, 256). ``name`` tells the draws of an iteration apart."""
        draws = rand_per_sample(self.rng.samples, len(label), LABEL_VALUES).to(label.device, non_blocking=True)
        return ops.draw_half(ops.label_classes(label), draws, replacement)

    @staticmethod
    def cross_entropy(scores: Tensor, label: Tensor, ranks: Ranks) -> Tensor:
        """Mean over the labelled pixels of all ranks, 0 without any."""
        return ohem_cross_entropy(scores, label, min_kept=0, ranks=ranks)

    @torch.no_grad()
    def predict(self, network: nn.Module, img: Tensor) -> Tensor:
        """Scores that serve as a reference; the network's mode is put back."""
        if self.pseudo_training_mode:
            return logits(network, img)
        modes = [(module, module.training) for module in network.modules()]
        set_teacher_mode(network, False)
        scores = logits(network, img)
        for module, training in modes:
            module.training = training
        return scores


def load_warm_up(network: nn.Module, path: str, option: str) -> None:
    """Load a checkpoint of MMSeg or of this package (its student) completely.

    Raises:
        CheckpointError: keys or shapes do not fit the network.
    """
    state = state_dict_of(load_checkpoint_file(str(resolve_checkpoint(path))))
    state = {key: value for key, value in state.items() if not key.startswith(STATE_PREFIX)}
    try:
        network.load_state_dict(state, strict=True)
    except RuntimeError as error:
        raise CheckpointError(f"{option}='{path}' does not fit the network: {error}") from error


def _label(stream: Stream) -> Tensor:
    if stream.label is None:
        raise KeyError(f"stream '{stream.name}' has no labels: give its data set an ann_dir")
    return stream.label[:, 0]


def _next(value: Tensor, ranks: Ranks) -> Tensor:
    """Element b + 1 of the batch of all ranks for every element b of this rank."""
    rank, own = get_dist_info()[0], len(value)
    return ranks.gather(value).roll(-1, 0)[rank * own : (rank + 1) * own]

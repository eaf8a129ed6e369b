"""What has weight 0, or no loss at all, is not computed: forward passes are counted in whole training steps."""

from __future__ import annotations

import copy
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Optional

import pytest
import torch

from mmseg_uda.methods.base import UDASegmentor
from tests.harness.methods import Reached, Setup, check_two_ranks
from tests.harness.runs import DACS, MASKING
from tests.harness.synthetic import tiny_model

from . import test_coast, test_stal, test_video

SMALL = dict(type='FCDiscriminator', ndf=2)
TWO = ('source', 'target')
SEVERAL = (*TWO, 'target2')
LABELED = (*TWO, 'labeled_target')
UNTRAINED = dict(loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.0))


def two_level(**changes: Any) -> dict[str, Any]:
    return tiny_model(auxiliary_head={**test_coast.AUXILIARY, **changes})


@dataclass
class Case:
    """A method with something switched off.

    Attributes:
        uda, streams, model: as in :class:`Setup`.
        calls: module -> its forward passes in the second iteration.
        gone: beginnings of log keys that must not appear.
        add_extras: see :class:`Setup`.
    """

    uda: Optional[dict[str, Any]]
    calls: dict[str, int]
    streams: tuple[str, ...] = TWO
    model: dict[str, Any] = field(default_factory=two_level)
    gone: tuple[str, ...] = ()
    add_extras: Any = None


def clips(uda: dict[str, Any], calls: dict[str, int], **changes: Any) -> Case:
    return Case(uda, calls, model=test_video.fused_model(), add_extras=test_video.clip_extras, **changes)


def adv(**levels: float) -> dict[str, Any]:
    return dict(type='AdvEnt', discriminator=SMALL, lambda_adv=levels)


CASES: dict[str, Case] = {
    'auxiliary head of weight 0': Case(
        None, {'student.auxiliary_head': 0, 'student.decode_head': 1}, ('source',), two_level(**UNTRAINED), ('aux.',)
    ),
    'auxiliary head of weight 0 under a teacher': Case(
        DACS, {'student.auxiliary_head': 0}, model=two_level(**UNTRAINED), gone=('aux.', 'mix.aux.')
    ),
    'auxiliary head of weight 0 in a game': Case(
        adv(decode=0.001, aux=0.0002),
        {'student.auxiliary_head': 2, 'discriminators.aux': 3},
        model=two_level(**UNTRAINED),
    ),
    'a level without a game': Case(
        adv(decode=0.001, aux=0),
        {'student.auxiliary_head': 1, 'discriminators.aux': 0, 'discriminators.decode': 3},
        gone=('adv.aux', 'disc.aux'),
    ),
    'no game at all': Case(
        adv(decode=0, aux=0),
        {'student.backbone': 2, 'student.decode_head': 1, 'discriminators.decode': 0},
        gone=('adv.', 'disc.'),
    ),
    'entropy of one level': Case(
        dict(type='MinEnt', lambda_ent=dict(decode=0.001), lambda_prior=dict(decode=0.0)),
        {'student.auxiliary_head': 1},
        gone=('ent.aux', 'prior.'),
    ),
    'no pseudo-labels': Case(
        dict(type='MinEnt', lambda_ent=dict(aux=0.001), target_ce=0.0),
        {'student.decode_head': 1, 'student.auxiliary_head': 2},
        gone=('target.',),
    ),
    'masking of weight 0 in AdvEnt': Case(
        dict(adv(decode=0.001), masking=dict(mode='separatetrg', weight=0.0)),
        {'student.backbone': 2, 'masking.teacher.model.backbone': 0},
        gone=('masked.',),
    ),
    'fourier': Case(dict(type='FDA', beta=0.1), {'student.auxiliary_head': 1}),
    'feature distance of weight 0': Case(
        dict(DACS, feature_distance=dict(type='ThingClassDistance', weight=0.0, classes=None)),
        {'student.backbone': 2, 'imnet.backbone': 0},
        gone=('src.',),
    ),
    'masking of weight 0': Case(
        dict(DACS, **{**MASKING, 'mask_lambda': 0}, mask_alpha=0.9),
        {'student.backbone': 2, 'teacher.model.backbone': 1, 'masking.teacher.model.backbone': 0},
        gone=('masked.',),
    ),
    'masked with labels of an own teacher alone': Case(
        dict(type='SelfTraining', masking=dict(mode='separatetrg', alpha=0.9)),
        {'student.backbone': 2, 'teacher.model.backbone': 0, 'masking.teacher.model.backbone': 1},
    ),
    'no losses on the target': Case(
        dict(type='SelfTraining', masking=dict(mode='separatetrg', weight=0.0)),
        {'student.backbone': 1, 'teacher.model.backbone': 0},
        gone=('masked.', 'target.share'),
    ),
    'one pass of QuadMix': Case(
        dict(DACS, type='QuadMix', start_iter=0, confidence=0.202, pass_weights=dict(tss=1.0, tst=0.0)),
        {'student.backbone': 2},
        gone=('mix_tst.',),
    ),
    'supervision of weight 0': Case(
        dict(DACS, labeled_target=dict(supervise=0.0)), {'student.backbone': 2}, LABELED, gone=('labeled_target.',)
    ),
    'games of several targets': Case(
        dict(type='MDis', discriminator=SMALL, lambda_adv=dict(decode=0.001, aux=0), num_targets=2),
        {'student.auxiliary_head': 1, 'adversary.levels.aux.source0': 0, 'adversary.levels.decode.source0': 3},
        SEVERAL,
        gone=('disc.aux',),
    ),
    'no games of several targets': Case(
        dict(type='MDis', discriminator=SMALL, lambda_adv=dict(decode=0), num_targets=2),
        {'student.backbone': 3, 'student.decode_head': 1, 'adversary.levels.decode.source0': 0},
        SEVERAL,
        gone=('target0', 'disc.'),
    ),
    'distillation of one level': Case(
        dict(type='MTKT', discriminator=SMALL, lambda_kd=dict(decode=1.0, aux=0), num_targets=2),
        {'student.decode_head': 2, 'student.auxiliary_head': 0},
        SEVERAL,
        gone=('target0.kd.aux',),
    ),
    'distillation before its start': Case(
        dict(type='MTKT', discriminator=SMALL, teacher_start=5, num_targets=2),
        {'student.decode_head': 0, 'student.auxiliary_head': 0},
        SEVERAL,
        gone=('target0.kd',),
    ),
    'CoaST without views': Case(
        dict(type='CoaST', num_targets=2, loss_weight_sty=0.0, gamma=None),
        # source, then labels and images of each target
        {'student.backbone': 5, 'student.decode_head': 3},
        SEVERAL,
    ),
    'CoaST without distillation': Case(
        dict(type='CoaST', num_targets=2, loss_weight_kd=0.0),
        {'student.backbone': 7, 'student.decode_head': 1},
        SEVERAL,
        gone=('target0.kd',),
    ),
    'CoaST without labels': Case(
        dict(type='CoaST', num_targets=2, loss_weight_sty=0.0, loss_weight_pl=0.0),
        {'student.backbone': 3},
        SEVERAL,
        gone=('target0.pl', 'target0.sty'),
    ),
    'DSTC without alignment': Case(
        dict(type='DSTC', init=None, align_weight=0.0),
        {'student.backbone': 4, 'target_branch.backbone': 3},
        LABELED,
        gone=('align',),
    ),
    'RIPU': Case(
        dict(type='RIPU', aux_weight=0.0, consistency_weight=0.0, negative_weight=0.0),
        {'student.backbone': 2, 'student.auxiliary_head': 0},
        ('source', 'labeled_target'),
        gone=('consistency', 'negative'),
    ),
    'STAL without contrast': Case(
        dict(test_stal.stal(), contrast=None, aux_weight=0.0),
        {'student.representation_head': 0, 'teacher.model.representation_head': 0, 'student.auxiliary_head': 0},
        LABELED,
        gone=('contrast',),
    ),
    'STAL with contrast': Case(
        test_stal.stal(),
        {'teacher.model.representation_head': 1, 'teacher.model.auxiliary_head': 1, 'teacher.model.backbone': 2},
        LABELED,
    ),
    'TPS': clips(dict(type='TPS', lambda_t=0.0), {'student.backbone': 2}, gone=('target.',)),
    'DA-VSN': clips(
        dict(type='DAVSN', discriminator=SMALL, lambda_u=dict(decode=0.001, aux=0), consistency=dict(decode=0.001)),
        # frames of the source alone ask the auxiliary head
        {'student.fusion': 2, 'student.auxiliary_head': 2, 'discriminators.sta.aux': 0},
        gone=('sta.aux', 'disc.sta.aux', 'consistency.aux'),
    ),
    'DA-VSN with one game': clips(
        dict(type='DAVSN', discriminator=SMALL, lambda_sa=0.0, lambda_wd=0.0),
        {'discriminators.sa.decode': 0, 'discriminators.sta.decode': 3},
        gone=('sa.', 'disc.sa', 'discrepancy'),
    ),
    'video QuadMix without target loss': clips(
        dict(type='VideoQuadMix', confidence=0.1, lambda_t=0.0, lambda_mmd=0.0),
        # tss and the source, two frames each; the teacher labels for the templates
        {'student.backbone': 4, 'labeler.teacher.model.backbone': 2},
        gone=('target.', 'mix_tst.', 'mmd'),
    ),
}


def forwards(method: UDASegmentor) -> Counter[str]:
    """Counts the forward passes of every module from now on; those of a head by its last layer, since ``forward_test``
    calls no hooks."""
    counts: Counter[str] = Counter()

    def counting(name: str) -> Any:
        return lambda *_: counts.update([name])

    for name, module in method.named_modules():
        getattr(module, 'conv_seg', module).register_forward_hook(counting(name))
    return counts


@pytest.mark.parametrize('name', CASES)
def test_a_step_computes_nothing_for_nobody(name: str) -> None:
    case = copy.deepcopy(CASES[name])
    setup = Setup(case.uda, case.streams, model=case.model, add_extras=case.add_extras)
    method, step = setup.build()
    step([setup.data.batch([0, 1])], 0)
    counts = forwards(method)
    step([setup.data.batch([2, 3])], 1)
    assert {module: counts[module] for module in case.calls} == case.calls
    logs = step.flush()
    assert len(logs) == 2 and step.records.skipped == 0
    assert not [key for key in logs[1] if key.startswith(case.gone or ('nothing',))], sorted(logs[1])


@pytest.mark.parametrize('name', ['auxiliary head of weight 0', 'a level without a game', 'CoaST without distillation'])
def test_networks_without_gradients_agree_on_all_ranks(name: str, tmp_path: Any) -> None:
    case = CASES[name]
    check_two_ranks(case.uda, case.streams, tmp_path, model=case.model)


def test_a_loss_of_weight_0_beside_another_changes_nothing() -> None:
    losses = [
        dict(type='CrossEntropyLoss', loss_weight=1.0),
        dict(type='DiceLoss', loss_name='loss_dice', loss_weight=0.0),
    ]
    states = []
    for given in (losses[:1], losses):
        model = tiny_model()
        model['decode_head']['loss_decode'] = given
        setup = Setup(None, ('source',), model=model)
        method, step = setup.build()
        step([setup.data.batch([0, 1])], 0)
        states.append((method.student.state_dict(), step.flush()))
    assert states[0][1] == states[1][1]
    assert all(torch.equal(value, states[1][0][key]) for key, value in states[0][0].items())


def test_a_pass_that_no_loss_reaches_is_found() -> None:
    setup = Setup(None, ('source',), model=two_level())
    method, step = setup.build()
    reached = Reached(method)
    step([setup.data.batch([0, 1])], 0)
    assert reached.missed() == {}
    plain = method.training_losses

    def wasteful(batch: Any) -> Any:
        method.student.auxiliary_head(method.student.extract_feat(batch['img']))
        yield from plain(batch)

    method.training_losses = wasteful  # type: ignore[method-assign]
    step([setup.data.batch([0, 1])], 1)
    assert {'student.auxiliary_head.conv_seg', 'student.backbone.stages.0.0'} <= reached.missed().keys()


def test_weights_that_leave_nothing_are_refused() -> None:
    zero = dict(loss_weight_pl=0.0, loss_weight_sty=0.0, loss_weight_kd=0.0)
    with pytest.raises(ValueError, match='loss_weight_pl.*all 0.*SourceOnly'):
        Setup(dict(type='CoaST', num_targets=2, **zero), SEVERAL).build()
    with pytest.raises(ValueError, match='pass_weights'):
        Setup(dict(type='QuadMix', pass_weights=dict(tss=0.0, tst=0.0))).build()
    with pytest.raises(ValueError, match='uda.aux_weight must not be negative'):
        Setup(dict(type='RIPU', aux_weight=-1.0), LABELED).build()
    with pytest.raises(ValueError, match='uda.aux_weight must not be negative'):
        Setup(test_stal.stal(aux_weight=-1.0), LABELED).build()
    with pytest.raises(ValueError, match='uda.contrast.weight must not be negative'):
        Setup(test_stal.stal(contrast=dict(weight=-0.1)), LABELED).build()

"""AdaptSegNet, AdvEnt, MinEnt and ESL train at any batch size, resume exactly, and ranks equal one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config

from mmseg_uda.builder import build_train_model
from tests.harness.methods import Setup, check_batch_sizes, check_exact_resume, check_two_ranks
from tests.harness.synthetic import tiny_model

MASKING = dict(
    mode='separatetrgaug',
    masker=dict(type='BlockMasker', block_size=8),
    pseudo_labeler=dict(type='ConfidenceShare', threshold=0.2),
)
SMALL = dict(type='FCDiscriminator', ndf=2)
VARIANTS: dict[str, dict[str, Any]] = {
    'adaptsegnet': dict(type='AdaptSegNet', discriminator=SMALL, domain_loss='mse'),
    'advent': dict(type='AdvEnt', discriminator=SMALL),
    'esl': dict(type='AdvEnt', discriminator=SMALL, target_ce=1.0),
    'minent': dict(type='MinEnt', hardest=0.3, lambda_prior=dict(main=0.01)),
    'mic_adaptsegnet': dict(type='AdaptSegNet', discriminator=SMALL, masking=MASKING),
    'mic_minent': dict(type='MinEnt', masking=dict(MASKING, alpha=0.5)),
}


def two_level_model(norm: str = 'GN') -> dict[str, Any]:
    """The harness's network with an auxiliary head and the loss over valid pixels."""
    model = tiny_model(norm=norm)
    loss = dict(type='ValidPixelCrossEntropy')
    head = dict(model['decode_head'], loss_decode=loss)
    return dict(model, decode_head=head, auxiliary_head=dict(head, in_index=2, loss_decode=dict(loss, loss_weight=0.1)))


def pseudo_labels(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
    """Give target samples a pseudo-label map of which about half is ignored."""
    if stream == 'target':
        label = torch.randint(0, 5, (1, *sample['img'].shape[1:]), generator=generator)
        sample['gt_semantic_seg'] = label.masked_fill(torch.rand(label.shape, generator=generator) < 0.5, 255)


def options(name: str) -> dict[str, Any]:
    return dict(model=two_level_model(), add_extras=pseudo_labels if name == 'esl' else None)


@pytest.mark.parametrize('name', VARIANTS)
def test_batch_sizes(name: str) -> None:
    check_batch_sizes(VARIANTS[name], **options(name))


@pytest.mark.parametrize('name', VARIANTS)
def test_exact_resume(name: str, tmp_path: Path) -> None:
    check_exact_resume(VARIANTS[name], tmp_path=tmp_path, **options(name))


@pytest.mark.parametrize('name', VARIANTS)
def test_two_ranks(name: str, tmp_path: Path) -> None:
    check_two_ranks(VARIANTS[name], tmp_path=tmp_path, **options(name))


def test_one_level_several_targets_and_labelled_target_images() -> None:
    check_batch_sizes(
        VARIANTS['advent'], ('source', 'target', 'target2', 'labeled_target'), model=tiny_model(norm='BN')
    )


def test_masked_images_learn_from_a_teacher_of_their_own() -> None:
    setup = Setup(VARIANTS['mic_adaptsegnet'], model=two_level_model())
    method, step = setup.build()
    for iteration in range(2):
        step([setup.data.batch([0, 1])], iteration)
    assert step.flush()[-1]['masked.decode.loss_ce'] > 0
    pairs = list(zip(method.masking.teacher.model.parameters(), method.student.parameters()))
    assert all(not teacher.requires_grad for teacher, _ in pairs) and any(not torch.equal(*pair) for pair in pairs)
    with pytest.raises(ValueError, match="uda.masking.alpha='same'.*give a number"):
        Setup(dict(VARIANTS['mic_minent'], masking=dict(MASKING, alpha='same')), model=two_level_model()).build()
    with pytest.raises(KeyError, match="did you mean 'weight'"):
        Setup(dict(VARIANTS['mic_minent'], masking=dict(MASKING, wheight=1)), model=two_level_model()).build()


def test_terms_update_the_networks_they_name() -> None:
    setup = Setup(VARIANTS['advent'], model=two_level_model())
    method, step = setup.build()
    method.begin_iteration(0, method.rng)
    updated = {term.name: term.updates for term in method.training_losses(setup.data.batch([0]))}
    assert updated.pop('source') == updated.pop('target') == ('segmentor',)
    assert set(updated) == {f'disc.{level}.{domain}' for level in ('decode', 'aux') for domain in ('source', 'target')}
    assert set(updated.values()) == {('discriminator',)}
    assert set(step.optimizers) == {'segmentor', 'discriminator'}


def test_fully_ignored_pseudo_labels_change_nothing() -> None:
    def all_ignored(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
        if stream == 'target':
            sample['gt_semantic_seg'] = torch.full((1, *sample['img'].shape[1:]), 255)

    states = []
    for name in ('advent', 'esl'):
        setup = Setup(VARIANTS[name], model=two_level_model(), add_extras=all_ignored)
        method, step = setup.build()
        step([setup.data.batch([0, 1])], 0)
        assert all(torch.isfinite(torch.tensor(value)) for value in step.flush()[0].values())
        states.append(method.student.state_dict())
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(lambda_adv=dict(aux=0.1)), "no head 'aux'"),
        (dict(lambda_adv=dict(main=-1.0)), 'must not be negative'),
        (dict(input_transform='entropy'), 'input_transform must be one of'),
        (dict(target_ce=-1.0), 'target_ce'),
    ],
)
def test_wrong_options_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build_train_model(Config(dict(model=tiny_model(), uda={**VARIANTS['advent'], **changes})))


def test_self_training_without_pseudo_labels_says_where_they_come_from() -> None:
    setup = Setup(VARIANTS['esl'], model=two_level_model())
    _, step = setup.build()
    with pytest.raises(ValueError, match='PseudoLabelDataset'):
        step([setup.data.batch([0])], 0)


def test_discriminators_see_maps_in_the_memory_format_of_their_weights() -> None:
    """Otherwise every look converts them, forward and backward."""
    setup = Setup(VARIANTS['advent'], model=two_level_model())
    method, step = setup.build()
    method.to(memory_format=torch.channels_last)
    seen: list[bool] = []
    for discriminator in method.discriminators.values():
        discriminator[0].register_forward_pre_hook(
            lambda _, inputs: seen.append(inputs[0].is_contiguous(memory_format=torch.channels_last))
        )
    step([setup.data.batch([0, 1])], 0)
    assert len(seen) == 6 and all(seen)

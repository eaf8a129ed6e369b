"""Labelled target images in self-training and adversarial methods: supervised, pasted, masked, and winning over
pseudo-labels."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmcv import Config

from mmseg_uda.engine.train import build_method
from mmseg_uda.methods.parts.labeled_target import LabeledTarget
from mmseg_uda.streams import split_streams
from tests.harness.methods import Setup, assert_equal_state, check_batch_sizes, check_exact_resume, check_two_ranks
from tests.harness.synthetic import tiny_model
from tests.methods.test_adversarial import two_level_model
from tests.models.networks import hrda_config

STREAMS = ('source', 'labeled_target', 'target')
MASKING = dict(
    mask_mode='separatetrgaug', mask_lambda=1, mask_generator=dict(type='block', mask_ratio=0.7, mask_block_size=8)
)
DACS = dict(type='DACS', pseudo_threshold=0.22)
UDA = {
    'dacs': dict(DACS, labeled_target=dict(paste=0.5)),
    'mic': dict(DACS, **MASKING, labeled_target=dict(supervise=0.5, paste=0.5, mask=0.7)),
    'advent': dict(
        type='AdvEnt', discriminator=dict(type='FCDiscriminator', ndf=2), labeled_target=dict(as_target=True)
    ),
    'minent': dict(type='MinEnt', lambda_prior=dict(main=0.1), labeled_target=dict()),
    'quadmix': dict(DACS, type='QuadMix', start_iter=1, confidence=0.202, labeled_target=dict(paste=0.5)),
    'dacs_joint': dict(DACS, labeled_target=dict(joint=True, supervise=0.5)),
    'esl_joint': dict(
        type='AdaptSegNet',
        target_ce=1.0,
        discriminator=dict(type='FCDiscriminator', ndf=2),
        labeled_target=dict(joint=True),
    ),
}


def known(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
    """The ground truth of the left half of some target images is known."""
    if stream == 'target':
        height, width = sample['img'].shape[1:]
        truth = torch.randint(0, 5, (1, height, width), generator=generator)
        truth[..., width // 2 :] = 255
        whole = bool(torch.rand((), generator=generator) < 0.5)
        sample['ground_truth'] = truth if whole else torch.full_like(truth, 255)


def known_everywhere(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
    if stream == 'target':
        sample['ground_truth'] = torch.full((1, *sample['img'].shape[1:]), 3)


def stored(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
    """Stored pseudo-labels, and ground truth for the left half of some images."""
    known(sample, stream, generator)
    if stream == 'target':
        sample['gt_semantic_seg'] = torch.randint(0, 5, sample['ground_truth'].shape, generator=generator)


def options(name: str) -> dict[str, Any]:
    return dict(streams=STREAMS, add_extras=stored if 'target_ce' in UDA[name] else known)


@pytest.mark.parametrize('name', UDA)
def test_batch_sizes(name: str) -> None:
    check_batch_sizes(UDA[name], **options(name))


@pytest.mark.parametrize('name', UDA)
def test_exact_resume(name: str, tmp_path: Path) -> None:
    check_exact_resume(UDA[name], tmp_path=tmp_path, **options(name))


@pytest.mark.parametrize('name', UDA)
def test_two_ranks(name: str, tmp_path: Path) -> None:
    check_two_ranks(UDA[name], tmp_path=tmp_path, **options(name))


@pytest.mark.parametrize('name', ['dacs', 'mic'])
def test_two_ranks_with_several_targets(name: str, tmp_path: Path) -> None:
    check_two_ranks(UDA[name], (*STREAMS, 'target2', 'target3'), tmp_path=tmp_path, add_extras=known)


@pytest.mark.parametrize(
    'uda, classifiers',
    [
        (dict(type='MDis', discriminator=dict(type='FCDiscriminator', ndf=2)), ['agnostic']),
        (dict(type='MTKT', discriminator=dict(type='FCDiscriminator', ndf=2)), ['agnostic', 'domain0', 'domain1']),
        (
            dict(type='CoaST', styliser=dict(type='ChannelStatistics', layers=['stages.0'])),
            ['agnostic', 'domain0', 'domain1'],
        ),
    ],
    ids=['mdis', 'mtkt', 'coast'],
)
def test_methods_for_several_targets(uda: dict[str, Any], classifiers: list[str], tmp_path: Path) -> None:
    """Every classifier learns from the labelled images."""
    streams, options = (*STREAMS, 'target2'), dict(uda, num_targets=2)
    check_batch_sizes(dict(options, labeled_target=dict(supervise=0.5)), streams)
    check_two_ranks(options, streams, tmp_path)
    _, log, _ = trained(options, streams)
    assert {f'labeled_target.{name}.loss_ce' for name in classifiers} == {
        key for key in log if key.startswith('labeled_target.')
    }
    without, unused = (
        trained(changed, names)
        for changed, names in (
            (options, ('source', 'target', 'target2')),
            (dict(options, labeled_target=dict(supervise=0)), streams),
        )
    )
    assert_equal_state(without[0], unused[0], 'weights')


@pytest.mark.parametrize('name', UDA)
def test_semi_supervised_training_needs_no_source(name: str) -> None:
    check_batch_sizes(UDA[name], **{**options(name), 'streams': ('labeled_target', 'target')})


def trained(uda: dict[str, Any], streams: Any, **kwargs: Any) -> tuple[dict[str, Any], dict[str, Any], Any]:
    """Weights, last log entry and views after two iterations."""
    setup = Setup(uda, streams, **kwargs)
    method, step = setup.build()
    method.views = {}
    for iteration in range(2):
        step([setup.data.batch([2 * iteration, 2 * iteration + 1])], iteration)
    return method.state_dict(), step.flush()[-1], method.views


@pytest.mark.parametrize('uda', [DACS | MASKING, dict(type='AdvEnt')], ids=['mic', 'advent'])
def test_an_unused_labelled_stream_changes_nothing(uda: dict[str, Any]) -> None:
    without = trained(uda, ('source', 'target'))
    unused = trained(dict(uda, labeled_target=dict(supervise=0)), STREAMS)
    supervised = trained(uda, STREAMS)
    assert_equal_state(without[0], unused[0], 'weights')
    assert without[1] == unused[1]
    assert set(supervised[1]) - set(without[1]) == {key for key in supervised[1] if key.startswith('labeled_target.')}


def test_the_weight_scales_the_loss_and_not_its_log() -> None:
    setup = Setup(dict(DACS, labeled_target=dict(supervise=0.25)), STREAMS)
    method, _ = setup.build()
    method.begin_iteration(0, method.rng)
    term = next(term for term in method.training_losses(setup.data.batch([0])) if term.name == 'labeled_target')
    assert term.weight == 0.25 and term.log['labeled_target.decode.loss_ce'] == term.loss


@pytest.mark.parametrize('override', [True, False])
def test_ground_truth_replaces_pseudo_labels_and_counts_fully(override: bool) -> None:
    """Masked images of an own teacher included; the margins without trust do not apply to ground truth."""
    uda = dict(DACS, **MASKING, mask_alpha=0.9, pseudo_weight_ignore_top=4, labeled_target=dict(override=override))
    _, _, plain = trained(uda, STREAMS)
    _, _, views = trained(uda, STREAMS, add_extras=known_everywhere)
    assert bool((views['target']['pseudo_label'] == 3).all() and (views['target']['weight'] == 1).all()) == override
    assert bool((views['masked']['label'] == 3).all() and (views['masked']['weight'] == 1).all()) == override
    if not override:
        assert all(torch.equal(views[name][key], plain[name][key]) for name in plain for key in plain[name])


def test_only_known_pixels_are_replaced() -> None:
    setup = Setup(UDA['dacs'], STREAMS, add_extras=known)
    method, _ = setup.build()
    method.begin_iteration(0, method.rng)
    target = split_streams(setup.data.batch(range(6)))['target']
    assert target.truth is not None
    of_pixel = (target.truth != 255)[:, 0]
    assert 0 < of_pixel.flatten(1).any(1).sum() < 6, 'some images are known, some are not'
    label, weight, *_ = method.label_target(target)
    target.truth = None
    pseudo, share, *_ = method.label_target(target)
    assert (
        torch.equal(label[of_pixel], setup.data.batch(range(6))['target_ground_truth'][:, 0][of_pixel])
        and (weight[of_pixel] == 1).all()
    )
    assert torch.equal(label[~of_pixel], pseudo[~of_pixel]) and torch.equal(weight[~of_pixel], share[~of_pixel])


@pytest.mark.parametrize('paste', [0.0, 0.5, 1.0])
def test_pasted_classes_come_from_the_chosen_stream(paste: float) -> None:
    setup = Setup(dict(DACS, augmentation=None, labeled_target=dict(paste=paste)), STREAMS)
    method, _ = setup.build()
    batch = setup.data.batch(range(12))
    from_labeled = []
    method.views = {}
    method.begin_iteration(0, method.rng)
    list(method.training_losses(batch))
    for i in range(12):
        img, label = method.views['mixed']['img'][i], method.views['mixed']['label'][i]
        pasted = (img != batch['target_img'][i]).any(0)
        assert pasted.any()
        origins = [
            name for name in ('', 'labeled_target_') if torch.equal(img[:, pasted], batch[f'{name}img'][i][:, pasted])
        ]
        assert len(origins) == 1
        assert torch.equal(label[:, pasted], batch[f'{origins[0]}gt_semantic_seg'][i][:, pasted])
        from_labeled.append(bool(origins[0]))
    assert sum(from_labeled) == 12 * paste if paste != 0.5 else 0 < sum(from_labeled) < 12


def test_masked_labelled_images_keep_their_labels() -> None:
    _, log, views = trained(UDA['mic'], STREAMS)
    assert 'masked_labeled.decode.loss_ce' in log
    batch = Setup(UDA['mic'], STREAMS).data.batch([2, 3])
    assert torch.equal(views['masked_labeled']['label'], batch['labeled_target_gt_semantic_seg'])
    assert not torch.equal(views['masked_labeled']['img'], batch['labeled_target_img'])


def test_discriminators_see_labelled_images_as_target_or_not_at_all() -> None:
    batch = Setup(None, STREAMS).data.batch([0, 1])
    for option, images in ((True, 4), (False, 2)):
        roles = LabeledTarget(dict(as_target=option), ('as_target',), 'AdvEnt').roles(batch)
        assert roles.source.name == 'source' and roles.target is not None and roles.target.batch_size == images
        assert roles.target.label is None and roles.target.truth is None


def test_stored_pseudo_labels_give_way_to_ground_truth() -> None:
    def both(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
        known_everywhere(sample, stream, generator)
        if stream == 'target':
            sample['gt_semantic_seg'] = torch.full_like(sample['ground_truth'], 255)

    method, _ = Setup(dict(type='AdvEnt', target_ce=1.0), STREAMS).build()
    target = method.with_pseudo_labels(split_streams(Setup(None, STREAMS, add_extras=both).data.batch([0]))['target'])
    assert (target.label == 3).all() and (target.valid == 1).all()


@pytest.mark.parametrize(
    'uda, message',
    [
        (dict(DACS, labeled_target=dict(superwise=1)), "'superwise'.*did you mean 'supervise'"),
        (dict(DACS, labeled_target=dict(as_target=True)), "labeled_target .DACS.: 'as_target'"),
        (dict(type='AdvEnt', labeled_target=dict(paste=0.5)), "labeled_target .AdvEnt.: 'paste'"),
        (dict(DACS, labeled_target=dict(paste=1.5)), r'paste is a probability in \[0, 1\]'),
        (dict(DACS, labeled_target=dict(supervise=-1)), 'supervise must not be negative'),
        (dict(DACS, labeled_target=dict(mask=1)), 'mask needs masking'),
        (dict(type='MDis', labeled_target=dict(joint=True)), "labeled_target .MDis.: 'joint'"),
        (dict(type='DSTC', init=None, labeled_target=dict()), "'labeled_target'"),
        (dict(type='RIPU', labeled_target=dict()), "'labeled_target'"),
        (dict(type='STAL', labeled_target=dict()), "'labeled_target'"),
    ],
)
def test_wrong_options_are_named(uda: dict[str, Any], message: str) -> None:
    with pytest.raises((KeyError, ValueError), match=message):
        Setup(uda, STREAMS).build()


@pytest.mark.parametrize('name', ['dacs', 'advent'])
def test_a_missing_labelled_stream_is_named_before_training(name: str) -> None:
    cfg = Config(dict(model=tiny_model(), uda=UDA[name], runner=dict(max_iters=1)))
    with pytest.raises(ValueError, match=r"'labeled_target'.*labeled_target=\.\.\."):
        build_method(
            cfg, 0, torch.device('cpu'), SimpleNamespace(stream_names=('source', 'target'), CLASSES=None, PALETTE=None)
        )


def test_different_crops_cannot_be_exchanged() -> None:
    setup = Setup(UDA['dacs'], STREAMS)
    batch = setup.data.batch([0])
    batch['labeled_target_img'] = batch['labeled_target_img'][..., :32]
    batch['labeled_target_gt_semantic_seg'] = batch['labeled_target_gt_semantic_seg'][..., :32]
    with pytest.raises(ValueError, match='crop_size'):
        setup.build()[1]([batch], 0)


def test_images_that_only_give_pixels_are_not_supervised() -> None:
    setup = Setup(None, ('source', 'labeled_target', 'paste'))
    method, _ = setup.build()
    assert [term.name for term in method.training_losses(setup.data.batch([0]))] == ['source', 'labeled_target']


# ---- one pass for both labelled domains
# -------------------------------------------------------------------------------------------
DISTANCE = dict(
    imnet_feature_dist_lambda=0.5, imnet_feature_dist_classes=[0, 1, 2, 3], imnet_feature_dist_scale_min_ratio=0.3
)


@pytest.mark.parametrize(
    'uda',
    [
        dict(type='SourceOnly'),
        dict(DACS, **DISTANCE),
        dict(type='AdvEnt', discriminator=dict(type='FCDiscriminator', ndf=2)),
    ],
    ids=['s+t', 'daformer', 'advent'],
)
@pytest.mark.parametrize('backward', ['merged', 'sequential'])
def test_one_pass_gives_the_losses_of_two(uda: dict[str, Any], backward: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without batch norm nothing changes: every loss is the mean over the images of its domain, whatever the loss
    divides by."""
    monkeypatch.setattr('mmseg_uda.methods.self_training.init_reference_weights', lambda network: None)
    found = [
        trained(
            dict(uda, labeled_target=dict(supervise=0.3, joint=joint)),
            STREAMS,
            model=two_level_model(),
            options=dict(backward=backward),
        )
        for joint in (False, True)
    ]
    (apart, apart_log, _), (together, together_log, _) = found
    assert apart_log.keys() == together_log.keys() and 'labeled_target.decode.loss_ce' in apart_log
    for key, value in apart_log.items():
        assert together_log[key] == pytest.approx(value, rel=1e-4, abs=1e-6), key
    for key, value in apart.items():
        torch.testing.assert_close(together[key], value, rtol=1e-3, atol=2e-5, msg=key)


@pytest.mark.parametrize('joint, passes', [(False, 2), (True, 1)])
def test_batch_norm_sees_the_domains_apart_or_together(joint: bool, passes: int) -> None:
    setup = Setup(dict(type='SourceOnly', labeled_target=dict(joint=joint)), STREAMS, model=tiny_model(norm='BN'))
    method, step = setup.build()
    batch = setup.data.batch([0, 1])
    first = method.student.backbone.stages[0][0](torch.cat([batch['img'], batch['labeled_target_img']]))
    step([batch], 0)
    norm = method.student.backbone.stages[0][1]
    assert int(norm.num_batches_tracked) == passes
    if joint:
        torch.testing.assert_close(norm.running_mean, 0.1 * first.mean((0, 2, 3)))


def test_labelled_images_take_the_detail_crops_of_hrda() -> None:
    hrda = hrda_config(32, num_classes=5)
    hrda['backbone'] = dict(type='TinyBackbone')
    hrda['decode_head'].update(in_channels=8, in_index=1)
    for joint in (False, True):
        _, log, _ = trained(dict(DACS, labeled_target=dict(joint=joint)), STREAMS, model=hrda, size=(64, 64))
        assert {f'{prefix}decode.{part}loss_ce' for prefix in ('', 'labeled_target.') for part in ('', 'hr.')} <= set(
            log
        )


def test_images_of_one_pass_need_one_size() -> None:
    setup = Setup(dict(type='SourceOnly', labeled_target=dict(joint=True)), STREAMS)
    batch = setup.data.batch([0])
    for key in ('labeled_target_img', 'labeled_target_gt_semantic_seg'):
        batch[key] = batch[key][..., :32]
    with pytest.raises(ValueError, match='labeled_target.joint .*crop_size'):
        setup.build()[1]([batch], 0)


# ---- QuadMix
# ----------------------------------------------------------------------------------------------------------------------
def test_quadmix_cuts_templates_from_labelled_images_and_trusts_ground_truth() -> None:
    """With ``paste=1`` the labelled images are the source's context and template; known target pixels are confident."""

    def left_half(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
        known_everywhere(sample, stream, generator)
        if stream == 'target':
            sample['ground_truth'][..., 32:] = 255

    uda = dict(UDA['quadmix'], start_iter=0, confidence=1.0, augmentation=None, labeled_target=dict(paste=1.0))
    setup = Setup(uda, STREAMS, add_extras=left_half)
    method, step = setup.build()
    method.views, batches = {}, [setup.data.batch([2 * i, 2 * i + 1]) for i in range(2)]
    for i, batch in enumerate(batches):
        step([batch], i)
    log = step.flush()
    assert {'labeled_target.decode.loss_ce', 'mix_tss.decode.loss_ce', 'mix_tst.decode.loss_ce'} <= set(log[1])
    assert torch.equal(method.views['template s']['img'], batches[0]['labeled_target_img'])
    assert (method.views['template t']['label'][..., :32] == 3).all() and 0 < log[1]['quad.target_share'] <= 0.5
    mixed, current = method.views['tss'], batches[1]
    outside = (mixed['img'] == current['labeled_target_img']).all(1)
    assert 0 < outside.float().mean() < 1
    assert torch.equal(mixed['label'][:, 0][outside], current['labeled_target_gt_semantic_seg'][:, 0][outside])

"""CoaST and MTAF train with two and three targets at any batch size, resume exactly, and ranks equal one process."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config

from mmseg_uda.builder import build_train_model
from mmseg_uda.components.style_bank import ChannelStatistics
from mmseg_uda.engine.browse import observe
from mmseg_uda.engine.test import load_model
from mmseg_uda.methods.mtaf import MDis
from mmseg_uda.ops.adversarial import domain_bce
from mmseg_uda.ops.entropy import self_information
from mmseg_uda.utils.world import current_world
from tests.harness.methods import Setup, check_batch_sizes, check_exact_resume, check_two_ranks, run_ranks
from tests.harness.synthetic import CLASSES, NORM, tiny_model

TWO = ('source', 'target', 'target2')
THREE = (*TWO, 'target3')
SMALL = dict(type='FCDiscriminator', ndf=2)
AUXILIARY = dict(
    type='FCNHead',
    in_channels=16,
    in_index=2,
    channels=4,
    num_convs=1,
    concat_input=False,
    dropout_ratio=0.0,
    num_classes=CLASSES,
    norm_cfg=dict(type='GN', num_groups=2),
    align_corners=False,
    loss_decode=dict(type='CrossEntropyLoss', loss_weight=0.1),
)
VARIANTS: dict[str, dict[str, Any]] = {
    'coast': dict(type='CoaST', styliser=dict(type='ChannelStatistics', layers=['stages.0', 'stages.1'])),
    'coast_official': dict(
        type='CoaST',
        loss_mode='official',
        styliser=dict(type='ChannelStatistics', layers=['stages.0'], mode='official'),
    ),
    'mtkt': dict(type='MTKT', discriminator=SMALL),
    'mdis': dict(type='MDis', discriminator=SMALL),
    'mdis_official': dict(type='MDis', official=True, discriminator=SMALL),
    'baseline': dict(type='MDis', game='shared', official=True, discriminator=SMALL),
    'warm_up': dict(type='CoaSTWarmUp', discriminator=dict(type='StridedDiscriminator', ndf=2)),
}


def _options(name: str, streams: tuple[str, ...]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The ``uda`` config, and the model: with an auxiliary head where the method uses it."""
    model = tiny_model(auxiliary_head=AUXILIARY) if VARIANTS[name]['type'] in ('MTKT', 'MDis') else tiny_model()
    return dict(VARIANTS[name], num_targets=len(streams) - 1), model


@pytest.mark.parametrize('streams', [TWO, THREE], ids=['two', 'three'])
@pytest.mark.parametrize('name', VARIANTS)
def test_batch_sizes(name: str, streams: tuple[str, ...]) -> None:
    uda, model = _options(name, streams)
    check_batch_sizes(uda, streams, model=model)


@pytest.mark.parametrize('streams', [TWO, THREE], ids=['two', 'three'])
@pytest.mark.parametrize('name', VARIANTS)
def test_exact_resume(name: str, streams: tuple[str, ...], tmp_path: Path) -> None:
    uda, model = _options(name, streams)
    check_exact_resume(uda, streams, tmp_path, model=model)


@pytest.mark.parametrize('streams', [TWO, THREE], ids=['two', 'three'])
@pytest.mark.parametrize('name', VARIANTS)
def test_two_ranks(name: str, streams: tuple[str, ...], tmp_path: Path) -> None:
    uda, model = _options(name, streams)
    check_two_ranks(uda, streams, tmp_path, model=model)


def test_a_discriminator_that_learns_several_labels_of_the_same_maps_looks_once() -> None:
    """The last one of the auxiliary level in the released code, which learns what all those should learn."""
    setup = Setup(dict(VARIANTS['mdis_official'], num_targets=3), THREE, model=tiny_model(auxiliary_head=AUXILIARY))
    method, _ = setup.build()
    assert isinstance(method, MDis)
    adversary = method.adversary
    maps = {i: torch.rand(2, CLASSES, 32, 32, generator=torch.Generator().manual_seed(i + 1)) for i in range(-1, 3)}
    judge: Any = adversary.levels['aux']['targets2']  # type: ignore[index]
    looks: list[int] = []
    judge.register_forward_hook(lambda *_: looks.append(1))
    terms = {name: (loss, weight) for name, loss, weight in adversary.training_losses({'aux': maps})}
    assert len(looks) == 3
    total = sum(weight * loss for name, (loss, weight) in terms.items() if 'targets2' in name)
    expected = sum(
        (0.5 if i == j else 0.25) * domain_bce(judge(maps[i]), int(i != j)) for i in range(3) for j in range(3)
    )
    torch.testing.assert_close(total, expected)


@pytest.mark.parametrize('name', ['mdis', 'mtkt'])
def test_maps_are_made_once_for_all_discriminators(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Those of a target are also what trains the discriminators afterwards, without graph."""
    setup = Setup(dict(VARIANTS[name], num_targets=3), THREE, model=tiny_model())
    method, step = setup.build()
    made: list[bool] = []

    def counted(scores: torch.Tensor) -> torch.Tensor:
        made.append(scores.requires_grad)
        return self_information(scores)

    monkeypatch.setattr('mmseg_uda.components.adversary.self_information', counted)
    step([setup.data.batch([0, 1])], 0)
    assert made.count(True) == 3
    assert made.count(False) == (1 if name == 'mdis' else 3)  # MTKT: a classifier per target


def _filled_slots(rank: int, images: torch.Tensor) -> dict[str, torch.Tensor]:
    styliser = ChannelStatistics(2, layers=['somewhere'])
    world = current_world()
    own = images.chunk(world.world_size, dim=1)[rank]
    for domain in range(2):
        styliser.image.write(own[domain], domain)
        styliser.features[0].write(own[domain] * 3, domain)
    styliser.synchronise(world)
    return styliser.state_dict()


def test_every_rank_keeps_the_styles_of_all_images(tmp_path: Path) -> None:
    images = torch.randn(2, 4, 3, 6, 5, generator=torch.Generator().manual_seed(0))
    alone = _filled_slots(0, images)
    for state in run_ranks(_filled_slots, tmp_path, images):
        for key, value in alone.items():
            torch.testing.assert_close(state[key], value)


def test_channels_last_reaches_the_networks() -> None:
    setup = Setup(dict(VARIANTS['coast'], num_targets=2), TWO)
    method, step = setup.build()
    method.to(memory_format=torch.channels_last)
    step([setup.data.batch([0, 1])], 0)
    assert all(torch.isfinite(torch.tensor(value)) for value in step.flush()[0].values())


def _with_pseudo_labels(values: dict[str, Any], name: str, generator: torch.Generator) -> None:
    """Labels for every target, of which the left half does not count."""
    if name.startswith('target'):
        values['gt_semantic_seg'] = torch.randint(0, CLASSES, (1, 32, 64), generator=generator)
        values['valid_pseudo_mask'] = (torch.arange(64) >= 32).to(torch.uint8).expand(1, 32, 64).clone()


def test_pseudo_labels_count_where_they_are_valid() -> None:
    setup = Setup(dict(VARIANTS['coast'], num_targets=2), TWO, add_extras=_with_pseudo_labels)
    method, _ = setup.build()
    batch = setup.data.batch([0, 1])
    views = observe(method, batch, 0, 0)
    seen = views['rectification1']['pseudo_label']
    assert (seen[..., :32] == 255).all()
    assert torch.equal(seen[..., ::4, 32::4], batch['target2_gt_semantic_seg'][:, 0, ::4, 32::4])


@pytest.mark.parametrize('stylised', [True, False])
def test_statistics_of_stylised_views_may_be_left_out(stylised: bool) -> None:
    """Batch norm sees the source and every target, and the stylised views if they count."""
    setup = Setup(dict(type='CoaST', num_targets=3, stylised_statistics=stylised), THREE, model=tiny_model(norm='BN'))
    method, step = setup.build()
    step([setup.data.batch([0, 1])], 0)
    assert method.student.backbone.stages[0][1].num_batches_tracked.item() == 1 + 3 + (3 * 2 if stylised else 0)
    assert all(torch.isfinite(torch.tensor(value)) for value in step.flush()[0].values())


@pytest.mark.parametrize('backward', ['merged', 'sequential'])
def test_one_head_after_the_other_trains_the_same(backward: str) -> None:
    weights = []
    for head_by_head in (False, True):
        setup = Setup(
            dict(VARIANTS['coast'], num_targets=2, head_by_head=head_by_head),
            TWO,
            optimizer=dict(type='SGD', lr=0.05),
            options=dict(backward=backward),
        )
        method, step = setup.build()
        step([setup.data.batch([0, 1])], 0)
        weights.append({name: value.detach() for name, value in method.student.named_parameters()})
    torch.testing.assert_close(weights[0], weights[1], rtol=1e-5, atol=1e-6)


def test_distillation_over_pixels_is_the_classes_times_larger() -> None:
    losses = []
    for reduction in ('element', 'pixel'):
        setup = Setup(dict(VARIANTS['coast'], num_targets=2, kd_reduction=reduction), TWO)
        method, _ = setup.build()
        terms = {term.name: term for term in method.training_losses(setup.data.batch([0, 1]))}
        losses.append(terms['target0'].log['target0.kd.loss'])
    torch.testing.assert_close(losses[0] * CLASSES, losses[1])


@pytest.mark.parametrize('name', VARIANTS)
def test_one_target_is_enough(name: str) -> None:
    uda, model = _options(name, TWO[:2])
    setup = Setup(uda, TWO[:2], model=model)
    _, step = setup.build()
    step([setup.data.batch([0, 1])], 0)
    assert all(torch.isfinite(torch.tensor(value)) for value in step.flush()[0].values())


def _transformer(head: str) -> dict[str, Any]:
    shared = dict(
        type=head,
        in_channels=[8, 8, 16, 16],
        in_index=[0, 1, 2, 3],
        channels=8,
        dropout_ratio=0.0,
        num_classes=CLASSES,
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss'),
    )
    params = dict(embed_dims=8, conv_kernel_size=1)
    if head == 'DAFormerHead':
        layer = dict(type='mlp', act_cfg=None, norm_cfg=None)
        params = dict(
            embed_dims=8,
            embed_cfg=layer,
            embed_neck_cfg=layer,
            fusion_cfg=dict(
                type='aspp', sep=True, dilations=(1, 2), pool=False, act_cfg=dict(type='ReLU'), norm_cfg=dict(type='BN')
            ),
        )
    return tiny_model(decode_head=dict(shared, decoder_params=params))


@pytest.mark.parametrize('head', ['SegFormerHead', 'DAFormerHead'])
@pytest.mark.parametrize('name', ['coast', 'warm_up'])
def test_heads_of_other_segmentors_are_cloned(name: str, head: str) -> None:
    setup = Setup(dict(VARIANTS[name], num_targets=3), THREE, model=_transformer(head))
    method, step = setup.build()
    before = {key: value.clone() for key, value in method.student.domain_heads.state_dict().items()}
    step([setup.data.batch([0, 1])], 0)
    assert all(torch.isfinite(torch.tensor(value)) for value in step.flush()[0].values())
    after = method.student.domain_heads.state_dict()
    for i in range(3):
        assert any(not torch.equal(before[key], after[key]) for key in before if key.startswith(f'{i}.')), (
            f'head {i} was not trained'
        )


@torch.no_grad()
def test_any_head_answers_at_test_time() -> None:
    setup = Setup(dict(VARIANTS['coast'], num_targets=2), TWO)
    method, _ = setup.build()
    method.eval()
    img = setup.data.batch([0])['img']
    metas = [dict(ori_shape=(32, 64, 3), img_shape=(32, 64, 3), flip=False, img_norm_cfg=NORM)]
    scores = {}
    for name in method.test_networks():
        method.test_with = name
        scores[name] = method.encode_decode(img, metas)
    heads = [scores['domain0'], scores['domain1']]
    assert not torch.equal(*heads) and not torch.equal(scores['student'], heads[0])
    features = method.student.extract_feat(img)
    mean = torch.stack([head(features).softmax(dim=1) for head in method.heads()]).mean(dim=0)
    torch.testing.assert_close(method.inference_model.decode_head.forward_test(features, metas, None).exp(), mean)
    with pytest.raises(ValueError, match="'average', 'domain0', 'domain1', 'student'"):
        method.test_with = 'domain2'


def test_a_checkpoint_of_the_student_alone_serves_all_heads(tmp_path: Path) -> None:
    setup = Setup(dict(VARIANTS['coast'], num_targets=2), TWO)
    method, _ = setup.build()
    torch.save(dict(meta={}, state_dict=method.student.state_dict()), tmp_path / 'student.pth')
    loaded = load_model(setup.config, str(tmp_path / 'student.pth'), 'domain1', torch.device('cpu'))
    for left, right in zip(loaded.inference_model.decode_head.parameters(), method.heads()[1].parameters()):
        assert torch.equal(left, right)


def test_statistics_of_tokens_are_those_of_the_map() -> None:
    maps = torch.randn(2, 4, 3, 5, generator=torch.Generator().manual_seed(0))
    tokens = maps.flatten(2).transpose(1, 2)
    styliser = ChannelStatistics(2, layers=['a', 'b'])
    for domain in range(2):
        with styliser.natural_pass(domain):
            for slots, x in zip(styliser.features, (maps, tokens)):
                styliser.through(slots, x + domain)
    with styliser.stylised_pass(0, 1):
        styled, styled_tokens = (styliser.through(slots, x) for slots, x in zip(styliser.features, (maps, tokens)))
    torch.testing.assert_close(styled.flatten(2).transpose(1, 2), styled_tokens)
    torch.testing.assert_close(styled, maps + 1, rtol=1e-4, atol=1e-4)


def test_the_number_of_targets_is_that_of_the_data() -> None:
    config = Config(
        dict(model=tiny_model(), uda=dict(type='MDis', discriminator=SMALL), data=dict(train=dict(target=[dict()] * 3)))
    )
    assert build_train_model(config).num_targets == 3
    config.uda.num_targets = 2
    with pytest.raises(ValueError, match='uda.num_targets=2, but data.train.target has 3 data sets'):
        build_train_model(config)
    setup = Setup(VARIANTS['coast'], TWO[:2])
    _, step = setup.build()
    with pytest.raises(ValueError, match='num_targets=2'):
        step([setup.data.batch([0])], 0)


def test_wrong_options_are_named() -> None:
    for uda, message in (
        (dict(type='CoaST', styliser=dict(type='ChannelStatistics', layers=['layer9'])), "no submodule 'layer9'"),
        (dict(type='CoaST', loss_mode='both'), 'paper, official'),
        (dict(type='CoaST', kd_reduction='class'), 'element, pixel'),
        (dict(type='CoaST', loss_weight_sty=-1.0), 'uda.loss_weight_sty must not be negative'),
        (dict(type='MTKT', teacher_start=-1), 'uda.teacher_start must not be negative'),
        (dict(type='MDis', game='single'), 'shared, multi'),
        (dict(type='MTKT', lambda_adv=dict(aux=1.0)), "no head 'aux'"),
        (dict(type='MTKT', num_targets=0), 'at least 1'),
    ):
        with pytest.raises(ValueError, match=message):
            build_train_model(Config(dict(model=tiny_model(), uda=uda)))


def test_views_have_the_size_of_the_images() -> None:
    setup = Setup(dict(VARIANTS['coast'], num_targets=2), TWO)
    method, _ = setup.build()
    views = observe(method, setup.data.batch([0, 1]), 0, 0)
    assert {'source', 'target', 'target2', 'target0_as_1', 'target1_as_0', 'rectification0', 'rectification1'} == set(
        views
    )
    for view in views.values():
        assert all(value.shape[-2:] == (32, 64) for value in view.values())

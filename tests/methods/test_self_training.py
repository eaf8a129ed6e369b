"""DACS, DAFormer, HRDA and MIC through the engine, and what their options mean."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv.cnn.bricks import DropPath
from mmseg.models import BACKBONES
from torch import nn

from mmseg_uda.models.modes import set_teacher_mode
from mmseg_uda.utils.checkpoint_io import CheckpointError
from tests.harness.methods import Setup, check_batch_sizes, check_exact_resume, check_two_ranks
from tests.harness.synthetic import TinyBackbone, tiny_model
from tests.models.networks import hrda_config

FEATURE_DISTANCE = dict(
    imnet_feature_dist_lambda=0.5, imnet_feature_dist_classes=[0, 1, 2, 3], imnet_feature_dist_scale_min_ratio=0.3
)
MASKING = dict(
    mask_mode='separatetrgaug', mask_lambda=1, mask_generator=dict(type='block', mask_ratio=0.7, mask_block_size=8)
)
DACS = dict(type='DACS', pseudo_threshold=0.22)
DAFORMER = dict(DACS, alpha=0.999, pseudo_weight_ignore_top=2, pseudo_weight_ignore_bottom=8, **FEATURE_DISTANCE)
UDA = {
    'dacs': DACS,
    'dacs_per_image': dict(DACS, class_scope='image', weight_scope='image'),
    'daformer': DAFORMER,
    'hrda': dict(DACS, **FEATURE_DISTANCE),
    'mic': dict(DAFORMER, **MASKING),
    'mic_own_teacher': dict(DACS, **MASKING, mask_alpha=0.9, mask_pseudo_threshold=None),
}


@BACKBONES.register_module()
class PretrainedTinyBackbone(TinyBackbone):
    """A tiny backbone that names its file of weights as MMSeg's backbones do."""

    def __init__(self, checkpoint: str) -> None:
        super().__init__()
        self.init_cfg = dict(type='Pretrained', checkpoint=checkpoint)


@pytest.fixture(scope='module')
def options(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """From the name of a row to the harness options of its network."""
    path = tmp_path_factory.mktemp('weights') / 'tiny.pth'
    torch.manual_seed(0)
    torch.save(TinyBackbone().state_dict(), path)
    hrda = hrda_config(32, num_classes=5)
    hrda['backbone'] = dict(type='PretrainedTinyBackbone', checkpoint=str(path))
    hrda['decode_head'].update(in_channels=8, in_index=1)
    plain = tiny_model(backbone=dict(type='PretrainedTinyBackbone', checkpoint=str(path)))
    return lambda name: dict(model=hrda, size=(64, 64)) if name.startswith('hrda') else dict(model=plain)


@pytest.mark.parametrize('name', UDA)
def test_batch_sizes(name: str, options: Any) -> None:
    check_batch_sizes(UDA[name], **options(name))


@pytest.mark.parametrize('mode', ['separate', 'separateaug', 'separatesrc', 'separatesrcaug', 'separatetrg'])
def test_mask_modes(mode: str, options: Any) -> None:
    check_batch_sizes({**DACS, **MASKING, 'mask_mode': mode}, **options('mic'))


@pytest.mark.parametrize('name', UDA)
def test_exact_resume(name: str, options: Any, tmp_path: Path) -> None:
    check_exact_resume(UDA[name], tmp_path=tmp_path, **options(name))


@pytest.mark.parametrize('name', UDA)
def test_two_ranks(name: str, options: Any, tmp_path: Path) -> None:
    check_two_ranks(UDA[name], tmp_path=tmp_path, **options(name))


@pytest.mark.parametrize('keep', [False, True])
def test_masked_images_can_leave_the_tested_statistics_alone(keep: bool) -> None:
    """MIC on networks with batch norm in every layer: the student is tested with running statistics, and 70 % of a
    masked image is black."""
    states = []
    for uda in (DACS, dict(DACS, **MASKING, mask_running_statistics=not keep)):
        setup = Setup(uda, model=tiny_model(norm='BN'))
        method, step = setup.build()
        step([setup.data.batch([0, 1])], 0)
        states.append(
            {name: value.clone() for name, value in method.student.named_buffers() if name.endswith('running_mean')}
        )
    assert states[0]
    equal = [torch.equal(value, states[1][name]) for name, value in states[0].items()]
    assert all(equal) if keep else not any(equal)


def test_supervised_masking_needs_no_target() -> None:
    uda = {**DACS, **MASKING, 'mask_mode': 'separatesrc', 'source_only': True}
    check_batch_sizes(uda, ('source',))
    assert Setup(uda, ('source',)).build()[0].teacher is None


@pytest.mark.parametrize('name', ['dacs', 'mic_own_teacher'])
def test_labels_alone_come_first(name: str, options: Any) -> None:
    """Until ``source_iters`` the student is that of a source-only run, and the teacher follows it."""
    states = []
    for uda in (dict(UDA[name], source_iters=2), dict(DACS, source_only=True)):
        setup = Setup(uda, **options(name))
        method, step = setup.build()
        for iteration in range(2):
            step([setup.data.batch([2 * iteration, 2 * iteration + 1])], iteration)
        states.append({key: value.clone() for key, value in method.student.state_dict().items()})
        if method.teacher is not None:
            student, teacher = method.student, method.teacher.model
            before = [value.clone() for value in teacher.parameters()]
            step([setup.data.batch([4, 5])], 2)
            labels, adapting = step.flush()[-2:]
            assert not [key for key in labels if key.startswith(('mix.', 'masked.', 'target.'))]
            assert {'mix.decode.loss_ce', 'masked.decode.loss_ce'} & set(adapting) and 'target.share' in adapting
            assert any(not torch.equal(a, b) for a, b in zip(before, teacher.parameters()))
            assert any(not torch.equal(states[0][key], value) for key, value in student.state_dict().items())
    assert all(torch.equal(value, states[1][key]) for key, value in states[0].items())


def test_a_resume_among_the_labels_goes_on_with_them(options: Any, tmp_path: Path) -> None:
    check_exact_resume(dict(UDA['mic'], source_iters=3), tmp_path=tmp_path, **options('mic'))


def test_two_ranks_begin_to_adapt_together(options: Any, tmp_path: Path) -> None:
    check_two_ranks(dict(UDA['mic'], source_iters=2), tmp_path=tmp_path, **options('mic'))


def test_terms_views_and_log_names(options: Any) -> None:
    """The feature distance shares the graph of the source pass; log names are those of the released code."""
    setup = Setup(UDA['mic'], **options('mic'))
    method, step = setup.build()
    method.views = {}
    for iteration in range(2):
        step([setup.data.batch([0, 1])], iteration)
    first, logged = step.flush()
    assert {'decode.loss_ce', 'src.loss_imnet_feat_dist', 'mix.decode.loss_ce', 'masked.decode.loss_ce'} <= set(logged)
    assert first['src.loss_imnet_feat_dist'] == 0 < logged['src.loss_imnet_feat_dist']
    assert set(method.views) == {'source', 'target', 'mixed', 'masked'}
    assert (
        method.views['target']['weight'][:, :2].abs().sum() == method.views['target']['weight'][:, -8:].abs().sum() == 0
    )
    terms = {term.name: term for term in method.training_losses(setup.data.batch([0, 1]))}
    assert [name for name, term in terms.items() if term.keep_graph] == ['source']


@pytest.mark.parametrize('ratio, said', [(1.0, True), (0.3, False)])
def test_a_distance_that_finds_no_cell_is_named(
    ratio: float, said: bool, options: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    setup = Setup(dict(DAFORMER, imnet_feature_dist_scale_min_ratio=ratio), max_iters=3, **options('daformer'))
    with caplog.at_level(logging.WARNING, 'harness'):
        setup.train(setup.runner(tmp_path))
    assert ('src.loss_imnet_feat_dist has been 0 in all 3 iterations' in caplog.text) == said


def test_all_ignored_labels_give_zero(options: Any) -> None:
    def ignore(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
        if stream == 'source':
            sample['gt_semantic_seg'].fill_(255)

    setup = Setup(UDA['daformer'], add_extras=ignore, **options('daformer'))
    method, _ = setup.build()
    method.begin_iteration(0, method.rng)
    terms = {term.name: term.loss for term in method.training_losses(setup.data.batch([0]))}
    assert terms['source'] == terms['feature_distance'] == 0
    gradients = torch.autograd.grad(terms['source'] + terms['feature_distance'], list(method.student.parameters()))
    assert not any(gradient.any() for gradient in gradients)


def test_modes_of_the_networks(options: Any) -> None:
    method, _ = Setup(UDA['mic_own_teacher'], **options('mic')).build()
    assert method.student.training and method.teacher.model.training and method.masking.teacher.model.training
    method, _ = Setup(UDA['daformer'], **options('daformer')).build()
    assert not any(module.training for module in method.imnet.modules())
    assert not any(parameter.requires_grad for parameter in method.imnet.parameters())
    running, _ = Setup(dict(DACS, teacher_bn='running'), **options('dacs')).build()
    assert not running.teacher.model.training


def test_teacher_keeps_batch_norm_but_no_random_layer() -> None:
    network = nn.Sequential(nn.BatchNorm2d(3), nn.Dropout2d(0.5), DropPath(0.5))
    set_teacher_mode(network, training=True)
    assert [module.training for module in network] == [True, False, False]


def test_checkpoint_leaves_the_reference_out(options: Any) -> None:
    method, _ = Setup(UDA['mic_own_teacher'] | FEATURE_DISTANCE, **options('mic')).build()
    keys = set(method.state_dict())
    assert not any('imnet' in key for key in keys)
    assert {
        'backbone.stages.0.0.weight',
        'uda.teacher.model.backbone.stages.0.0.weight',
        'uda.masking.teacher.initialized',
    } <= keys


def test_reference_without_pretrained_weights_is_refused() -> None:
    with pytest.raises(CheckpointError, match='imnet_feature_dist_lambda'):
        Setup(UDA['daformer']).build()


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(alfa=0.9), "'alfa'.*did you mean 'alpha'"),
        (dict(alpha=1.5), r'alpha must lie in \[0, 1\)'),
        (dict(mix='cut'), "mix='cut'"),
        (dict(imnet_feature_dist_lambda=-1), 'imnet_feature_dist_lambda must not be negative'),
        (dict(source_iters=-1), 'uda.source_iters must be a number of iterations'),
        (dict(source_iters=0.2), 'uda.source_iters must be a number of iterations'),
        (dict(MASKING, mask_mode='separatetarget'), 'separatetrg.*separatetarget'),
        (dict(MASKING, mask_lambda=-0.1), 'mask_lambda must not be negative'),
        (dict(MASKING, mask_generator=dict(type='block', ratios=0.7)), 'mask_generator.*ratios'),
        (dict(MASKING, source_only=True), 'separatesrc'),
        (dict(class_scope='images'), 'class_scope'),
        (dict(weight_scope='pixel'), 'weight_scope'),
        (dict(pseudo_threshold=96.8), r'threshold must lie in \[0, 1\]'),
        (dict(teacher=dict(aplha=0.9)), "did you mean 'alpha'"),
        (dict(masking=dict(mode='separatetrg', wheight=1)), "did you mean 'weight'"),
    ],
    ids=lambda value: '' if isinstance(value, str) else next(reversed(value)),
)
def test_wrong_options_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((KeyError, ValueError), match=message):
        Setup({**DACS, **changes}).build()


def test_margins_and_valid_mask_exclude_each_other() -> None:
    def valid(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
        if stream == 'target':
            sample['valid_pseudo_mask'] = torch.ones_like(sample['img'][:1], dtype=torch.uint8)

    setup = Setup(dict(DACS, pseudo_weight_ignore_top=2), add_extras=valid)
    method, step = setup.build()
    with pytest.raises(ValueError, match='valid_pseudo_mask'):
        step([setup.data.batch([0])], 0)


def test_jitter_without_normalisation_says_what_is_missing() -> None:
    setup = Setup(dict(DACS, color_jitter_probability=0.0))
    method, step = setup.build()
    batch = setup.data.batch([0])
    batch['img_metas'] = [{}]
    with pytest.raises(KeyError, match='img_norm_cfg'):
        step([batch], 0)

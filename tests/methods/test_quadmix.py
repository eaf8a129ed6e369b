"""QuadMix through the engine: batch sizes, resume with templates, ranks, phases, options."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config

from tests.harness.methods import Setup, assert_equal_state, check_batch_sizes, check_exact_resume, check_two_ranks
from tests.harness.synthetic import tiny_model
from tests.models.networks import hrda_config

CONFIGS = sorted((Path(__file__).resolve().parents[2] / 'configs' / 'quadmix').glob('*.py'))

MASKING = dict(
    mask_mode='separatetrgaug', mask_lambda=1, mask_generator=dict(type='block', mask_ratio=0.7, mask_block_size=8)
)
# the confidence of an untrained teacher of five classes lies just above 1/5
DACS = dict(type='DACS', pseudo_threshold=0.22)
QUAD = dict(DACS, type='QuadMix', start_iter=0, confidence=0.202)
RELEASED = dict(exclude='position', template_ignore=True, patch_norm='legacy', patch_weight='keep')
UDA = {
    'plain_teacher': QUAD,
    'mic': dict(QUAD, **MASKING),
    'released': dict(QUAD, quad=RELEASED, reinit_teacher=True, **MASKING),
    'late': dict(QUAD, start_iter=2, templates=dict(dtype='float16')),
    'entropy': dict(QUAD, pseudo_labeler=dict(type='EntropyPseudoLabel', mode='pixel_mask', warmup=1)),
    'two_directions': dict(QUAD, quad=dict(directions=('st', 'tt'))),
    'hrda': dict(QUAD, **MASKING),
}
#: those that differ in state or in what ranks share
STATEFUL = ('mic', 'released', 'late', 'entropy', 'hrda')


def patches(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
    """Class patches as the data loader adds them to the source: class 3 in a corner, class 1 in the middle of the
    second pass."""
    if stream == 'source':
        height, width = sample['img'].shape[1:]
        labels = torch.full((2, height, width), 255, dtype=torch.uint8)
        labels[:, :8, :8] = 3
        labels[1, 12:20, 12:20] = 1
        sample['class_patches'] = torch.randint(0, 256, (2, 3, height, width), generator=generator, dtype=torch.uint8)
        sample['class_patch_labels'] = labels
        sample['class_patches_missing'] = torch.tensor(1)


def options(name: str) -> dict[str, Any]:
    if not name.startswith('hrda'):
        return dict(add_extras=patches)
    hrda = hrda_config(32, num_classes=5)
    hrda['backbone'] = dict(type='TinyBackbone')
    hrda['decode_head'].update(in_channels=8, in_index=1)
    return dict(model=hrda, size=(64, 64), add_extras=patches)


@pytest.mark.parametrize('name', UDA)
def test_batch_sizes(name: str) -> None:
    check_batch_sizes(UDA[name], **options(name))


def test_two_targets_are_paired_cyclically_with_the_source() -> None:
    check_batch_sizes(UDA['mic'], ('source', 'target', 'target2'), **options('mic'))


@pytest.mark.parametrize('name', STATEFUL)
def test_exact_resume(name: str, tmp_path: Path) -> None:
    check_exact_resume(UDA[name], tmp_path=tmp_path, **options(name))


@pytest.mark.parametrize('name', STATEFUL)
def test_two_ranks(name: str, tmp_path: Path) -> None:
    check_two_ranks(UDA[name], tmp_path=tmp_path, **options(name))


def trained(
    uda: dict[str, Any], iterations: int, positions: Any = None, **changes: Any
) -> tuple[Any, list[dict[str, float]]]:
    """A method after some iterations, and its log; ``positions`` gives the images of each iteration."""
    setup = Setup(uda, **{**options('plain'), **changes})
    method, step = setup.build()
    for i in range(iterations):
        step([setup.data.batch(positions[i] if positions else [2 * i, 2 * i + 1])], i)
    return method, step.flush()


def test_before_the_start_it_is_the_method_without_quadmix() -> None:
    plain, plain_log = trained(dict(DACS, **MASKING), 3)
    quad, quad_log = trained(dict(QUAD, start_iter=3, **MASKING), 3)
    assert plain_log == quad_log
    assert_equal_state(plain.student.state_dict(), quad.student.state_dict(), 'student')
    assert quad.templates.filled_for(torch.zeros(2, 3, 32, 64))


def test_two_passes_take_the_place_of_the_mixed_one() -> None:
    _, log = trained(UDA['mic'], 2)
    assert 'mix.decode.loss_ce' in log[0] and 'mix_tss.decode.loss_ce' not in log[0]
    assert {'mix_tss.decode.loss_ce', 'mix_tst.decode.loss_ce', 'masked.decode.loss_ce'} <= set(log[1])
    assert 'mix.decode.loss_ce' not in log[1]
    assert (
        log[1]['quad.patches_missing'] == 1
        and 0 < log[1]['quad.source_share'] < 1
        and 0 < log[1]['quad.target_share'] < 1
    )


@pytest.mark.parametrize(
    ('directions', 'weights'),
    [(('ss', 'tt'), dict(tss=0.5, tst=0.5)), (('ss', 'ts'), dict(tss=1.0)), (('tt',), dict(tst=1.0))],
)
def test_weights_of_the_passes(directions: Any, weights: dict[str, float]) -> None:
    setup = Setup(dict(QUAD, quad=dict(directions=directions)))
    method, step = setup.build()
    step([setup.data.batch([0, 1])], 0)
    method.begin_iteration(1, method.rng)
    terms = {term.name: term for term in method.training_losses(setup.data.batch([2, 3]))}
    assert {name: term.weight for name, term in terms.items() if name in ('tss', 'tst')} == weights


def test_nothing_pasted_shows_the_current_images() -> None:
    """No confident pixel, no source class, no class patches: tss is the source batch, tst the pseudo-labelled target
    batch."""
    setup = Setup(dict(QUAD, confidence=1.0, augmentation=None, quad=dict(num_source_classes=0)))
    method, step = setup.build()
    method.views = {}
    for i in range(2):
        batch = setup.data.batch([2 * i, 2 * i + 1])
        step([batch], i)
    views = method.views
    assert torch.equal(views['tss']['img'], batch['img']) and torch.equal(
        views['tss']['label'], batch['gt_semantic_seg']
    )
    assert (views['tss']['weight'] == 1).all()
    assert torch.equal(views['tst']['img'], batch['target_img'])
    assert torch.equal(views['tst']['label'][:, 0], views['target']['pseudo_label'])
    assert torch.equal(views['tst']['weight'], views['target']['weight'])


def test_nothing_to_learn_from_gives_zero() -> None:
    def ignored(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
        if stream == 'source':
            sample['gt_semantic_seg'].fill_(255)

    method, log = trained(dict(QUAD, pseudo_threshold=1.0, **MASKING), 3, add_extras=ignored)
    assert all(value == 0 for entry in log for key, value in entry.items() if 'loss' in key)
    assert all(not parameter.grad.any() for parameter in method.student.parameters())


def test_batches_may_change_their_size() -> None:
    _, log = trained(QUAD, 4, positions=[[0, 1, 2], [3], [4, 5], [6, 7, 8]])
    assert all('mix_tst.decode.loss_ce' in entry for entry in log[1:])


def test_templates_are_copies_and_bounded() -> None:
    setup = Setup(QUAD)
    method, step = setup.build()
    for i in range(3):
        batch = setup.data.batch([2 * i, 2 * i + 1])
        step([batch], i)
    clean = batch['img'].clone()
    batch['img'].zero_()
    assert torch.equal(method.templates.source_img, clean) and not method.templates.source_img.requires_grad
    assert (
        sum(value.element_size() for value in method.templates.buffers() for _ in range(value[0, ..., 0, 0].numel()))
        == 31
    )


def test_without_saved_templates_the_first_iteration_after_a_resume_is_plain(tmp_path: Path) -> None:
    setup = Setup(dict(QUAD, templates=dict(save=False)), max_iters=3)
    first = setup.runner(tmp_path, 3)
    setup.train(first)
    first.save_checkpoint(str(tmp_path))
    resumed = setup.runner(tmp_path, 5)
    resumed.resume(str(tmp_path / 'iter_3.pth'))
    log = setup.train(resumed)
    assert ['mix_tss.decode.loss_ce' in entry for entry in log] == [False, True]


@pytest.mark.parametrize('reinit', [False, True])
def test_start_from_the_checkpoint_of_another_method(reinit: bool, tmp_path: Path) -> None:
    """A MIC run resumes as QuadMix; its teacher goes on, or starts again from the student if asked for."""
    mic = Setup(dict(DACS, **MASKING), max_iters=2)
    runner = mic.runner(tmp_path, 2)
    mic.train(runner)
    runner.save_checkpoint(str(tmp_path))
    teacher = {name: value.clone() for name, value in runner.model.teacher.model.named_parameters()}
    setup = Setup(dict(QUAD, reinit_teacher=reinit, **MASKING), max_iters=4)
    resumed = setup.runner(tmp_path, 4)
    resumed.resume(str(tmp_path / 'iter_2.pth'))
    assert resumed.iter == 2
    student = {name: value.clone() for name, value in resumed.model.student.named_parameters()}
    resumed.model.teacher.alpha = 1 - 1e-7
    method = resumed.model
    method.begin_iteration(2, method.rng)
    expected = student if reinit else {name: value + (student[name] - value) / 3 for name, value in teacher.items()}
    for name, value in method.teacher.model.named_parameters():
        torch.testing.assert_close(value, expected[name])
    log = setup.train(resumed)
    assert ['mix_tss.decode.loss_ce' in entry for entry in log] == [False, True]


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(start_itr=3), "did you mean 'start_iter'"),
        (dict(start_iter=-1), 'start_iter'),
        (dict(quad=dict(directions=('ss', 'sx'))), 'quad.directions'),
        (dict(quad=dict(exclude='id')), 'quad.exclude'),
        (dict(quad=dict(num_source_class=2)), 'num_source_classes'),
        (dict(pass_weights=dict(ts=1)), 'uda.pass_weights'),
        (dict(templates=dict(dtyp='float16')), 'dtype'),
    ],
)
def test_wrong_options_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((KeyError, ValueError), match=message):
        Setup({**QUAD, **changes}).build()


def test_patches_of_another_size_are_refused() -> None:
    def small(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
        patches(sample, stream, generator)
        if stream == 'source':
            sample['class_patches'] = sample['class_patches'][..., :16]

    with pytest.raises(ValueError, match='class_patches.crop_size'):
        trained(QUAD, 2, add_extras=small)


@pytest.mark.parametrize('path', CONFIGS, ids=lambda path: path.stem)
def test_configs_train(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The method of every config, compositions included, does a plain step and one of QuadMix with a small network."""
    monkeypatch.setattr('mmseg_uda.methods.self_training.init_reference_weights', lambda network: None)
    cfg = Config.fromfile(str(path))
    classes = 11 if path.stem.startswith('camvid') else 19
    uda = dict(cfg.uda, start_iter=1, source_iters=0)
    method, log = trained(uda, 2, model=tiny_model(classes), num_classes=classes)
    assert 'mix.decode.loss_ce' in log[0] and {'mix_tss.decode.loss_ce', 'mix_tst.decode.loss_ce'} <= set(log[1])
    assert ('masked.decode.loss_ce' in log[1]) == (cfg.uda.mask_mode is not None)
    assert ('src.loss_imnet_feat_dist' in log[1]) == (cfg.uda.imnet_feature_dist_lambda > 0)
    if 'pseudo_labeler' in cfg.uda:
        assert type(method.pseudo_labeler).__name__ == cfg.uda.pseudo_labeler.type


def test_compositions_have_configs() -> None:
    """QuadMix without masked images, with the plain teacher of DACS, with ESL's entropy criterion."""
    composed = {
        path.stem.rsplit('cityscapes_', 1)[-1]: Config.fromfile(str(path)).uda
        for path in CONFIGS
        if path.stem.startswith('toy')
    }
    assert composed['without_mic'].mask_mode is None and composed['without_mic'].imnet_feature_dist_lambda > 0
    assert composed['dacs'].mask_mode is None and composed['dacs'].imnet_feature_dist_lambda == 0
    assert composed['entropy'].pseudo_labeler.type == 'EntropyPseudoLabel'

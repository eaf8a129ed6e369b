"""DSTC trains at any batch size and with any two segmentors, resumes exactly, ranks equal one process, and every
option does its job."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from mmcv import Config
from torch import Tensor

from mmseg_uda.builder import build_train_model
from mmseg_uda.compat.keys_dstc import dstc_to_ours, ours_to_dstc
from mmseg_uda.engine import evaluation
from mmseg_uda.engine.convert_checkpoint import main as convert
from mmseg_uda.engine.test import load_model
from mmseg_uda.methods.dstc import DSTC, PseudoLabels
from mmseg_uda.utils.checkpoint_io import CheckpointError, save_checkpoint_file
from tests.harness.methods import Setup, check_batch_sizes, check_exact_resume, check_two_ranks
from tests.harness.synthetic import tiny_model

STREAMS = ('source', 'labeled_target', 'target')
#: another backbone width, head input and norm than the source branch has
OTHER = tiny_model(norm='BN', backbone=dict(type='TinyBackbone', norm='BN', channels=(4, 8, 12, 16)))
#: every switch away from its default
SWITCHED: dict[str, Any] = dict(
    align_ignore=False, pseudo_bn='train_frozen_stats', pseudo_threshold=0.206, threshold_mode='share', update='simultaneous',
    augmentation=dict(type='PhotometricDistortion8Bit'), test_with='ensemble', model_target=OTHER,
)  # fmt: skip


def config(**changes: Any) -> dict[str, Any]:
    return dict(type='DSTC', init=None, **changes)


def build(**changes: Any) -> DSTC:
    return Setup(config(**changes), STREAMS).build()[0]


@pytest.mark.parametrize(
    'changes',
    [{}, dict(pseudo_bn='eval', pseudo_threshold=0.206, test_with='student'), SWITCHED],
    ids=['default', 'eval', 'switched'],
)
@pytest.mark.filterwarnings('ignore:one unlabelled image')
def test_batch_sizes(changes: dict[str, Any]) -> None:
    check_batch_sizes(config(**changes), STREAMS)


@pytest.mark.parametrize('changes', [{}, SWITCHED], ids=['default', 'switched'])
def test_exact_resume(changes: dict[str, Any], tmp_path: Path) -> None:
    check_exact_resume(config(**changes), STREAMS, tmp_path)


def test_exact_resume_with_the_released_optimiser(tmp_path: Path) -> None:
    optimizer = dict(type='RepeatedSGD', constructor='RepeatedParameters', lr=1e-3, momentum=0.9, weight_decay=5e-4)
    check_exact_resume(config(), STREAMS, tmp_path, optimizer=optimizer)


def test_exact_resume_with_accumulated_gradients(tmp_path: Path) -> None:
    """Possible when both branches step at the end; the released order says before the first iteration why it is not."""
    check_exact_resume(config(update='simultaneous'), STREAMS, tmp_path, options=dict(cumulative_iters=2))
    with pytest.raises(ValueError, match='optimizer_config.cumulative_iters=1'):
        Setup(config(), STREAMS, options=dict(cumulative_iters=2)).build()


@pytest.mark.filterwarnings('ignore:one unlabelled image')
def test_half_precision() -> None:
    check_batch_sizes(config(), STREAMS, options=dict(precision='bf16', grad_clip=dict(max_norm=1.0)))


@pytest.mark.parametrize('nothing', ['source', 'labeled_target', 'everything'])
def test_images_without_any_label_give_no_loss_and_no_nan(nothing: str) -> None:
    def ignored(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
        if 'gt_semantic_seg' in sample and nothing in (stream, 'everything'):
            sample['gt_semantic_seg'].fill_(255)

    setup = Setup(config(align_ignore=False), STREAMS, add_extras=ignored)
    _, step = setup.build()
    for iteration in range(2):
        step([setup.data.batch([2 * iteration, 2 * iteration + 1])], iteration)
    zero = dict(
        source=('source', 'align'),
        labeled_target=('labeled_target',),
        everything=('source', 'align', 'labeled_target', 'mixed_labeled'),
    )
    for log in step.flush():
        assert all(torch.isfinite(torch.tensor(value)) for value in log.values())
        assert {name for name in zero['everything'] if log[name] == 0} == set(zero[nothing])


@pytest.mark.parametrize('changes', [{}, {**SWITCHED, 'model_target': None}], ids=['default', 'switched'])
def test_two_ranks(changes: dict[str, Any], tmp_path: Path) -> None:
    check_two_ranks(config(**changes), STREAMS, tmp_path)


TRANSFORMER = tiny_model(
    backbone=dict(type='mit_b0', embed_dims=4, num_layers=(1, 1, 1, 1)),
    decode_head=dict(type='SegFormerHead', in_channels=[4, 8, 20, 32], in_index=[0, 1, 2, 3], channels=8, num_classes=5,
                     norm_cfg=dict(type='BN'), decoder_params=dict(embed_dims=6), align_corners=False),
)  # fmt: skip


@pytest.mark.parametrize('first, second', [('cnn', 'transformer'), ('transformer', 'cnn')])
def test_a_convolutional_network_and_a_transformer_teach_each_other(first: str, second: str, tmp_path: Path) -> None:
    models = dict(cnn=deeplab(), transformer=TRANSFORMER)
    setup = Setup(config(model_target=models[second]), STREAMS, model=models[first])
    method, step = setup.build()
    before = {
        name: {key: value.clone() for key, value in network.named_parameters()}
        for name, network in method.networks().items()
    }
    step([setup.data.batch([0, 1])], 0)
    (log,) = step.flush()
    assert all(
        0 < log[name] < float('inf')
        for name in ('source', 'align', 'labeled_target', 'mixed_labeled', 'mix_target_branch')
    )
    for name, network in method.networks().items():
        trainable = {key: value for key, value in network.named_parameters() if value.requires_grad}
        assert trainable and any(not torch.equal(value, before[name][key]) for key, value in trainable.items())
    assert len(predictions(method.eval(), torch.randn(1, 3, 32, 64))) == 3


def run(iterations: int = 1, **changes: Any) -> tuple[DSTC, list[dict[str, float]]]:
    setup = Setup(config(**changes), STREAMS)
    method, step = setup.build()
    method.views = {}
    for iteration in range(iterations):
        step([setup.data.batch([2 * iteration, 2 * iteration + 1])], iteration)
    return method, step.flush()


def test_the_source_branch_is_stepped_before_it_labels() -> None:
    """Only the second half of the iteration depends on the order of the updates."""
    (first,), (second,) = (run(update=update)[1] for update in ('alternating', 'simultaneous'))
    for name in ('source', 'align', 'labeled_target', 'mix_source_branch', 'mixed_labeled'):
        assert first[name] == second[name], name
    assert first['mix_target_branch'] != second['mix_target_branch']


def test_threshold_ignores_unsure_pixels_or_weights_the_term() -> None:
    pixel, (pixel_log,) = run(pseudo_threshold=0.206)
    share, (share_log,) = run(pseudo_threshold=0.206, threshold_mode='share')
    free, (free_log,) = run()
    assert pixel.views and share.views and free.views
    label, everywhere = (method.views['mix_source_branch']['label'] for method in (pixel, free))
    ignored = label == 255
    assert 0 < ignored.float().mean() < 1 and not (everywhere == 255).any()
    assert torch.equal(label[~ignored], everywhere[~ignored])
    assert torch.equal(share.views['mix_source_branch']['label'], everywhere)
    assert share_log['mix_source_branch'] == free_log['mix_source_branch'] != pixel_log['mix_source_branch']
    assert share_log['loss'] < free_log['loss'], 'the share of sure pixels scales the term in the objective'


def test_nothing_is_sure_gives_no_loss() -> None:
    _, (log,) = run(pseudo_threshold=1.0)
    assert log['mix_source_branch'] == log['mix_target_branch'] == 0


@pytest.mark.parametrize('mode, changed', [('train', 4), ('train_frozen_stats', 2), ('eval', 2)])
def test_which_passes_renew_batch_statistics(mode: str, changed: int) -> None:
    """Each network trains on two batches and gives references for two more (labels, and alignment or labels)."""
    setup = Setup(config(pseudo_bn=mode), STREAMS, model=tiny_model(norm='BN'))
    method, step = setup.build()
    step([setup.data.batch([0, 1])], 0)
    passes = {
        name: int(network.backbone.stages[0][1].num_batches_tracked) for name, network in method.networks().items()
    }
    own = dict(source_branch=3, target_branch=2)  # source, labelled target, mixed; labelled mix, mixed
    others = dict(source_branch=1, target_branch=2)  # labels; alignment reference and labels
    extra = changed > 2
    assert passes == {name: own[name] + extra * others[name] for name in own}
    assert all(module.training for module in method.student.modules())


def test_references_are_free_of_drop_out() -> None:
    model = tiny_model()
    model['decode_head']['dropout_ratio'] = 0.9
    method = Setup(config(), STREAMS, model=model).build()[0]
    img = torch.randn(2, 3, 32, 64)
    assert torch.equal(method.predict(method.student, img), method.predict(method.student, img))


def test_augmentation_changes_the_mixed_unlabelled_images_only() -> None:
    plain, _ = run()
    strong, _ = run(augmentation=dict(type='PhotometricDistortion8Bit', color_prob=1.0, gray_prob=1.0))
    assert plain.views and strong.views
    for name in ('source', 'labeled_target'):
        assert torch.equal(plain.views[name]['img'], strong.views[name]['img']), name
    assert not torch.equal(plain.views['mix_source_branch']['img'], strong.views['mix_source_branch']['img'])
    assert torch.equal(plain.views['mix_source_branch']['label'], strong.views['mix_source_branch']['label'])


def test_agreement_of_the_networks_is_logged() -> None:
    method, (log,) = run()
    assert 0 <= log['agreement'] <= 1
    method.label_images = lambda network, img: PseudoLabels(torch.zeros(len(img), *img.shape[2:], dtype=torch.long))  # type: ignore
    batch = Setup(config(), STREAMS).data.batch([0, 1])
    terms = [event for event in method.training_losses(batch) if getattr(event, 'name', '') == 'mix_target_branch']
    assert float(terms[0].log['agreement']) == 1


def test_one_image_is_trained_as_it_is_with_a_warning() -> None:
    setup = Setup(config(), STREAMS)
    method, step = setup.build()
    method.views = {}
    batch = setup.data.batch([0])
    with pytest.warns(UserWarning, match='one unlabelled image'):
        step([batch], 0)
    assert torch.equal(method.views['mix_source_branch']['img'], batch['target_img'])


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(pseudo_bn='frozen'), "uda.pseudo_bn must be one of .*'frozen'"),
        (dict(update='both'), 'uda.update'),
        (dict(threshold_mode='soft'), 'uda.threshold_mode'),
        (dict(pseudo_threshold=1.5), 'uda.pseudo_threshold'),
        (dict(align_weight=-1), 'uda.align_weight'),
        (dict(model_target=tiny_model(num_classes=7)), 'same classes, got 5 and 7'),
        (dict(test_with='teacher'), 'ensemble'),
        (dict(augmentation=dict(type='PhotometricDistortion8Bit', blur_prob=2)), 'blur_prob'),
    ],
)
def test_wrong_options_are_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**changes)


# ---- prediction
# -------------------------------------------------------------------------------------------------------------------
META = dict(ori_shape=(32, 64, 3), img_shape=(32, 64, 3), pad_shape=(32, 64, 3), flip=False)


def predictions(method: DSTC, img: Tensor) -> dict[str, Any]:
    found, meta = {}, [META]
    for name in ('source_branch', 'target_branch', 'ensemble'):
        method.test_with = name
        with torch.no_grad():
            found[name] = method.inference(img, meta, rescale=True)
            label = method(img=[img], img_metas=[meta], return_loss=False)[0]
            scores = method.encode_decode(img, meta)
            torch.testing.assert_close(scores.softmax(1), found[name])
        assert (label == found[name].argmax(1)[0].numpy()).all()
    return found


def test_ensemble_averages_probabilities() -> None:
    method = build(model_target=OTHER).eval()
    img = torch.randn(1, 3, 32, 64)
    found = predictions(method, img)
    torch.testing.assert_close(found['ensemble'], (found['source_branch'] + found['target_branch']) / 2)
    assert not torch.equal(found['source_branch'], found['target_branch'])
    with torch.no_grad():
        twice = method(img=[img, img], img_metas=[[META], [META]], return_loss=False)[0]
    assert (twice == found['ensemble'].argmax(1)[0].numpy()).all()


def test_the_ensemble_adds_nothing_to_a_checkpoint(tmp_path: Path) -> None:
    method = build(test_with='ensemble')
    keys = set(method.state_dict())
    assert method.inference_model is not None
    assert set(method.state_dict()) == keys
    cfg = Config(dict(model=tiny_model(), uda=config()))
    save_checkpoint_file(dict(state_dict=method.state_dict()), tmp_path / 'both.pth')
    for name in ('source_branch', 'target_branch', 'ensemble'):
        assert load_model(cfg, str(tmp_path / 'both.pth'), name, torch.device('cpu')).test_with == name


# ---- warm-ups and checkpoints
# -----------------------------------------------------------------------------------------------------
def save(path: Path, model: dict[str, Any], seed: int) -> dict[str, Tensor]:
    torch.manual_seed(seed)
    state = build_train_model(Config(dict(model=model))).state_dict()
    save_checkpoint_file(dict(state_dict=state), path)
    return state


def test_each_branch_starts_from_its_warm_up(tmp_path: Path) -> None:
    source, target = save(tmp_path / 's.pth', tiny_model(), 1), save(tmp_path / 't.pth', OTHER, 2)
    init = dict(source=str(tmp_path / 's.pth'), target=str(tmp_path / 't.pth'))
    method = Setup(dict(config(model_target=OTHER), init=init), STREAMS).build()[0]
    for network, state in ((method.student, source), (method.target_branch, target)):
        assert all(torch.equal(value, state[key]) for key, value in network.state_dict().items())
    wrong = dict(source=init['target'], target=init['target'])
    with pytest.raises(CheckpointError, match='uda.init.source=.*does not fit'):
        Setup(dict(config(model_target=OTHER), init=wrong), STREAMS).build()


def test_a_missing_warm_up_is_an_error_that_names_the_recipe(tmp_path: Path) -> None:
    save(tmp_path / 's.pth', tiny_model(), 1)
    init = dict(source=str(tmp_path / 's.pth'), target=str(tmp_path / 'none.pth'))
    with pytest.raises(CheckpointError, match='uda.init.target: .*none.pth.*run_stages'):
        Setup(dict(config(), init=init), STREAMS).build()
    with pytest.raises(ValueError, match="'source' and 'target'"):
        build_train_model(Config(dict(model=tiny_model(), uda=dict(type='DSTC', init=dict(source='x')))))


def deeplab(depth: int = 50) -> dict[str, Any]:
    head = dict(
        type='AdventHead',
        in_channels=2048,
        in_index=0,
        num_classes=5,
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss'),
    )
    backbone = dict(type='AdventResNet', depth=depth, out_indices=(3,), pool_ceil_mode=False, base_channels=8)
    return dict(
        type='EncoderDecoder',
        backbone=backbone,
        decode_head={**head, 'in_channels': 256},
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )


def test_released_checkpoints_convert_both_ways_and_start_a_branch(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    own = save(tmp_path / 'own.pth', deeplab(), 3)
    released = ours_to_dstc(own)
    assert all(key.startswith('segnet.') for key in released)
    assert {'segnet.conv1.weight', 'segnet.layer4.0.downsample.0.weight', 'segnet.layer6.conv2d_list.3.bias'} <= set(
        released
    )
    assert dstc_to_ours(released).keys() == own.keys()
    save_checkpoint_file(released, tmp_path / 'best_city.pth')
    init = dict(source=str(tmp_path / 'best_city.pth'), target=str(tmp_path / 'own.pth'))
    method = Setup(dict(config(), init=init), STREAMS, model=deeplab()).build()[0]
    assert all(
        torch.equal(value, method.target_branch.state_dict()[key]) for key, value in method.student.state_dict().items()
    )
    found = convert([str(tmp_path / 'best_city.pth'), str(tmp_path / 'converted.pth')])
    assert all(torch.equal(value, found[key]) for key, value in own.items())
    assert f'0 of {len(own)} tensors of the source were dropped' in capsys.readouterr().out
    again = convert([str(tmp_path / 'converted.pth'), str(tmp_path / 'back.pth'), '--to', 'dstc'])
    assert all(torch.equal(value, again[key]) for key, value in released.items())
    with pytest.raises(KeyError, match='segnet'):
        dstc_to_ours({**released, 'backbone.conv1.weight': released['segnet.conv1.weight']})


def test_imagenet_file_is_stripped_with_a_report(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names = ['Scale.conv1.weight', 'Scale.layer1.0.conv1.weight', 'Scale.layer5.conv2d_list.0.weight', 'fc.weight']
    save_checkpoint_file({name: torch.zeros(1) for name in names}, tmp_path / 'imagenet.pth')
    found = convert([str(tmp_path / 'imagenet.pth'), str(tmp_path / 'backbone.pth')])
    assert set(found) == {'conv1.weight', 'layer1.0.conv1.weight'}
    assert (
        '2 of 4 tensors of the source were dropped, merged or reshaped: Scale.layer5.conv2d_list.0.weight, fc.weight'
        in capsys.readouterr().out
    )


def test_target_branch_is_exported_as_a_plain_checkpoint(tmp_path: Path) -> None:
    method = build()
    save_checkpoint_file(dict(state_dict=method.state_dict()), tmp_path / 'both.pth')
    found = convert([str(tmp_path / 'both.pth'), str(tmp_path / 'second.pth'), '--to', 'target_branch'])
    expected = method.target_branch.state_dict()
    assert found.keys() == expected.keys() and all(torch.equal(found[key], value) for key, value in expected.items())
    with pytest.raises(CheckpointError, match='no target branch'):
        convert([str(tmp_path / 'second.pth'), str(tmp_path / 'third.pth'), '--to', 'target_branch'])


def test_evaluation_during_training_scores_several_networks(monkeypatch: pytest.MonkeyPatch) -> None:
    method = build()
    asked: list[str] = []

    def score(model: DSTC, *args: Any, **kwargs: Any) -> dict[str, float]:
        asked.append(model.test_with)
        if kwargs.get('results') is not None:
            kwargs['results']['target'] = []
        return {'mIoU': 0.1 * len(asked), 'aAcc': 0.5}

    monkeypatch.setattr(evaluation, 'evaluate_all', score)
    hook = evaluation.UDAEvalHook(
        dict(target=[0]), torch.device('cpu'), test_with=['source_branch', 'ensemble'], interval=1
    )
    runner = SimpleNamespace(
        model=method, logger=None, rank=0, iter=0, log_buffer=SimpleNamespace(output={}, ready=False)
    )
    hook._do_evaluate(runner)
    assert asked == ['target_branch', 'source_branch', 'ensemble'] and method.test_with == 'target_branch'
    found = runner.log_buffer.output
    assert found['mIoU'] == 0.1 and found['mIoU.source_branch'] == 0.2 and found['mIoU.ensemble'] == pytest.approx(0.3)
    assert 'aAcc.ensemble' not in found


def test_unknown_networks_are_refused_before_training() -> None:
    hook = evaluation.UDAEvalHook(dict(target=[0]), torch.device('cpu'), test_with=['sorce_branch'], interval=1)
    with pytest.raises(
        ValueError, match="evaluation.test_with: DSTC has no network 'sorce_branch': did you mean 'source_branch'"
    ):
        hook.before_run(SimpleNamespace(model=build()))

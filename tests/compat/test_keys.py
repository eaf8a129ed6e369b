"""Published checkpoints converted to this package's names give the published outputs, and convert back to the same
file."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import mmcv
import pytest
import torch
from mmseg.models import build_segmentor
from torch import Tensor

from mmseg_uda.builder import build_train_model
from mmseg_uda.compat.keys import below, ours_to_published, published_to_ours, segmentor_to_ours
from mmseg_uda.compat.keys_mit import mit_from_mmseg
from mmseg_uda.components.ema import EMATeacher
from mmseg_uda.engine.convert_checkpoint import main
from mmseg_uda.engine.weights import load_student
from mmseg_uda.methods.source_only import SourceOnly
from mmseg_uda.utils.checkpoint_io import CheckpointError, load_checkpoint_file
from tests.models.networks import BN, SEGFORMER_HEAD, daformer_head_config
from tests.parity.golden import golden_files, load

ASPP = dict(type='aspp', sep=True, dilations=(1, 6, 12, 18), pool=False, act_cfg=dict(type='ReLU'), norm_cfg=BN)
HEADS = {
    'daformer': daformer_head_config(ASPP),
    'segformer': SEGFORMER_HEAD,
}


@pytest.fixture(scope='module')
def published_backbone() -> dict[str, Tensor]:
    """A Mix Transformer in the original naming, its input and outputs."""
    return {
        key: torch.from_numpy(value) for key, value in load(golden_files('selftraining', 'mit_tiny*.npz')[0]).items()
    }


@pytest.fixture(scope='module')
def published_head() -> dict[str, Tensor]:
    path = golden_files('selftraining', 'daformer_head_sepaspp*.npz')[0]
    return {key: torch.from_numpy(value) for key, value in load(path).items()}


def config(head: str, depths: Any) -> mmcv.ConfigDict:
    return mmcv.ConfigDict(
        type='EncoderDecoder',
        backbone=dict(type='MixTransformer', embed_dims=4, num_layers=[int(d) for d in depths]),
        decode_head=HEADS[head],
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )


@pytest.fixture
def published_run(published_backbone: dict[str, Tensor], published_head: dict[str, Tensor]) -> dict[str, Tensor]:
    """``state_dict`` of a DAFormer-family run: student, teacher and ImageNet network."""
    network = {
        **{f'backbone.{k}': v for k, v in below(published_backbone, 'sd/').items()},
        **{f'decode_head.{k}': v for k, v in below(published_head, 'sd/').items()},
    }
    network = {key: value for key, value in network.items() if 'backbone.head' not in key}
    teacher = {key: value * 0.5 if value.is_floating_point() else value for key, value in network.items()}
    return {
        **{f'model.{k}': v for k, v in network.items()},
        **{f'ema_model.{k}': v for k, v in teacher.items()},
        **{f'imnet_model.{k}': v for k, v in network.items()},
    }


def test_published_run_gives_the_published_outputs(
    published_run: dict[str, Tensor], published_backbone: dict[str, Tensor], published_head: dict[str, Tensor]
) -> None:
    state = published_to_ours(published_run)
    segmentor = build_segmentor(config('daformer', published_backbone['depths'])).eval()
    segmentor.load_state_dict({key: value for key, value in state.items() if not key.startswith('uda.')})
    with torch.no_grad():
        for i, feature in enumerate(segmentor.backbone(published_backbone['img'])):
            torch.testing.assert_close(feature, published_backbone[f'out{i}'], atol=2e-5, rtol=1e-5)
        out = segmentor.decode_head([published_head[f'feat{i}'] for i in range(4)])
    torch.testing.assert_close(out, published_head['out'], atol=1e-4, rtol=1e-5)


def test_round_trip_of_a_run(published_run: dict[str, Tensor]) -> None:
    back = ours_to_published(published_to_ours(published_run))
    expected = {key: value for key, value in published_run.items() if not key.startswith('imnet_model.')}
    assert set(back) == set(expected)
    assert all(torch.equal(back[key], expected[key]) for key in expected)
    assert set(ours_to_published(published_to_ours(published_run), prefixed=False)) == set(
        below(published_run, 'model.')
    )


class Student(SourceOnly):
    """A method with nothing but a student and its teacher."""

    def __init__(self, model: Any) -> None:
        super().__init__(model)
        self.teacher = EMATeacher(self.student, 0.9)


def test_method_takes_student_and_teacher(
    published_run: dict[str, Tensor], published_backbone: dict[str, Tensor]
) -> None:
    method = Student(config('daformer', published_backbone['depths']))
    method.load_state_dict(published_to_ours(published_run))
    assert bool(method.teacher.initialized)
    torch.testing.assert_close(
        method.teacher.model.decode_head.conv_seg.weight, method.student.decode_head.conv_seg.weight * 0.5
    )


def original_segformer(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """A network of this package in the naming of SegFormer's own repository."""
    renamed: dict[str, Tensor] = {
        f'backbone.{key}': value for key, value in mit_from_mmseg(below(state, 'backbone.')).items()
    }
    for key, value in below(state, 'decode_head.').items():
        if key.startswith('linear_c.'):
            level, rest = key[len('linear_c.') :].split('.', 1)
            key = f'linear_c{int(level) + 1}.{rest}'
        renamed[f'decode_head.{key}'] = (
            torch.cat(value.chunk(4, 1)[::-1], 1) if key == 'linear_fuse.conv.weight' else value
        )
    renamed['decode_head.conv_seg.weight'] = torch.zeros(5, 8, 1, 1)
    renamed['decode_head.conv_seg.bias'] = torch.zeros(5)
    return renamed


def test_segformer_checkpoint() -> None:
    segmentor = build_segmentor(config('segformer', (1, 1, 1, 1)))
    state = segmentor.state_dict()
    converted = published_to_ours(original_segformer(state))
    assert set(converted) == set(state) and all(torch.equal(converted[key], state[key]) for key in state)


def test_imagenet_file_and_plain_checkpoints(published_backbone: dict[str, Tensor]) -> None:
    imagenet = below(published_backbone, 'sd/')
    assert 'layers.0.0.projection.weight' in published_to_ours(imagenet)
    plain = {'backbone.stem.0.weight': torch.zeros(1), 'decode_head.aspp_modules.0.conv.weight': torch.zeros(1)}
    assert set(segmentor_to_ours(plain)) == set(published_to_ours(plain)) == set(plain)


@pytest.mark.parametrize(
    'state, message',
    [
        ({'uda.teacher.initialized': 1}, 'already has the names'),
        ({'conv1.weight': 1}, "begins with 'backbone.'"),
        ({'model.backbone.conv1.weight': 1, 'queue': 1}, 'belong to no known network: queue'),
    ],
)
def test_unknown_files_are_refused(state: dict[str, Any], message: str) -> None:
    with pytest.raises(KeyError, match=message):
        published_to_ours({key: torch.zeros(value) for key, value in state.items()})


# ---- the tool ------------------------------------------------------------------------------------------------------
@pytest.fixture
def files(tmp_path: Path, published_run: dict[str, Tensor], published_backbone: dict[str, Tensor]) -> Path:
    torch.save(
        dict(meta=dict(CLASSES=('road', 'car'), PALETTE=[[0, 0, 0]], time='x'), state_dict=published_run),
        tmp_path / 'published.pth',
    )
    model = config('daformer', published_backbone['depths'])
    mmcv.Config(dict(model=model)).dump(str(tmp_path / 'config.py'))
    return tmp_path


def test_tool_converts_there_and_back(files: Path, published_run: dict[str, Tensor]) -> None:
    main([str(files / 'published.pth'), str(files / 'ours.pth'), '--config', str(files / 'config.py')])
    ours = load_checkpoint_file(files / 'ours.pth', weights_only=True)
    assert ours['meta'] == dict(CLASSES=['road', 'car'], PALETTE=[[0, 0, 0]])
    main([str(files / 'ours.pth'), str(files / 'back.pth'), '--to', 'published'])
    back = load_checkpoint_file(files / 'back.pth')['state_dict']
    assert all(torch.equal(value, published_run[key]) for key, value in back.items())


@pytest.mark.parametrize('prefix', ['model.', ''])
def test_a_published_student_alone_starts_quadmix(prefix: str, files: Path, published_run: dict[str, Tensor]) -> None:
    """UDASS publishes the student alone, without teacher and meta data; a run from it copies the teacher from the
    student."""
    student = below(published_run, 'model.')
    torch.save(dict(state_dict={prefix + key: value for key, value in student.items()}), files / 'published.pth')
    main([str(files / 'published.pth'), str(files / 'ours.pth'), '--config', str(files / 'config.py')])
    cfg = mmcv.Config.fromfile(str(files / 'config.py'))
    method = build_train_model(mmcv.Config(dict(model=cfg.model, uda=dict(type='QuadMix', start_iter=0))))
    load_student(method, load_checkpoint_file(files / 'ours.pth')['state_dict'], 'ours.pth')
    method.begin_iteration(0, method.rng)
    converted = segmentor_to_ours(student)
    for network in (method.student, method.teacher.model):
        assert all(torch.equal(value, converted[key]) for key, value in network.state_dict().items())
    back = ours_to_published(method.state_dict())
    assert set(back) == {f'{name}.{key}' for name in ('model', 'ema_model') for key in student}


def test_tool_checks_the_network(files: Path, published_run: dict[str, Tensor]) -> None:
    del published_run['model.decode_head.conv_seg.bias']
    torch.save(dict(state_dict=published_run), files / 'published.pth')
    with pytest.raises(CheckpointError, match=r'1 missing \(decode_head\.conv_seg\.bias\)'):
        main([str(files / 'published.pth'), str(files / 'ours.pth'), '--config', str(files / 'config.py')])
    assert not (files / 'ours.pth').exists()


def test_tool_refuses_foreign_pickles_unless_trusted(
    files: Path, published_run: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv('MMSEG_UDA_TRUST_CHECKPOINT', raising=False)
    torch.save(dict(meta=dict(written=datetime.timedelta(1)), state_dict=published_run), files / 'published.pth')
    with pytest.raises(CheckpointError, match='--trust-checkpoint'):
        main([str(files / 'published.pth'), str(files / 'ours.pth')])
    monkeypatch.setenv('MMSEG_UDA_TRUST_CHECKPOINT', '0')
    main([str(files / 'published.pth'), str(files / 'ours.pth'), '--trust-checkpoint'])
    assert load_checkpoint_file(files / 'ours.pth', weights_only=True)['meta'] == {}


def test_hrda_with_a_teacher_of_its_own_for_masking(published_backbone: dict[str, Tensor]) -> None:
    model = dict(config('daformer', published_backbone['depths']), type='HRDAEncoderDecoder', hr_crop_size=(32, 32))
    model['decode_head'] = dict(
        HEADS['daformer'], type='HRDAHead', single_scale_head='DAFormerHead', attention_embed_dim=4
    )
    uda = dict(type='DACS', alpha=0.9, mask_mode='separatetrg', mask_alpha=0.5, mask_lambda=1.0)
    method = build_train_model(mmcv.Config(dict(model=model, uda=uda)))
    state = method.state_dict()
    published = ours_to_published(state)
    assert any(key.startswith('mic.teacher.ema_model.decode_head.scale_attention.') for key in published)
    assert any(key.startswith('model.backbone.block1.0.attn.q.') for key in published)
    back = published_to_ours({**published, 'imnet_model.backbone.patch_embed1.proj.bias': torch.zeros(4)})
    weights = {key for key in state if key in back}
    assert set(back) == weights
    assert {key for key in state if not key.startswith('uda.') or '.model.' in key} <= weights
    method.load_state_dict({**state, **back})
    assert bool(method.masking.teacher.initialized)

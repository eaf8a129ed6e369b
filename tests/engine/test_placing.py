"""The ``engine`` and ``memory`` parts of a config, through the training tool."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config

from mmseg_uda.builder import build_train_model
from mmseg_uda.engine.placing import STRIPS, EngineOptions, arrange, spread_memory
from mmseg_uda.engine.train import main
from mmseg_uda.models.checkpointing import CheckpointedBlock
from tests.engine.worlds import write_config
from tests.models.networks import daformer_head_config, hrda_config

RESNET = """
_norm = dict(type='BN', requires_grad=True)
model['backbone'] = dict(type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, norm_cfg=_norm)
model['decode_head']['in_channels'] = 64
"""
DACS = "dict(type='DACS', alpha=0.9, pseudo_threshold=0.2)"
OVERLAY = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'memory' / 'checkpointing.py'


def trained(config: Path, work_dir: Path, *flags: str) -> dict[str, Any]:
    main([str(config), '--work-dir', str(work_dir), '--no-validate', '--seed', '3', *flags])
    return torch.load(work_dir / 'iter_4.pth', weights_only=True)['state_dict']


def trains_alike_and_resumes(config: Path, folder: Path, found: Any, wanted: Any) -> None:
    """The weights ``found`` are those ``wanted`` but for rounding, and a run that goes on ends with them bit for bit."""
    assert list(found) == list(wanted)
    for key, value in wanted.items():
        torch.testing.assert_close(found[key], value, rtol=1e-3, atol=1e-4, msg=key)
    resumed = trained(config, folder.with_name('resumed'), '--resume-from', str(folder / 'iter_2.pth'))
    assert all(torch.equal(resumed[key], value) for key, value in found.items())


def test_the_checkpointing_overlay_trains_the_same_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[str] = []
    inner = CheckpointedBlock.forward
    monkeypatch.setattr(
        CheckpointedBlock, 'forward', lambda self, *a, **k: (calls.append(type(self).__name__), inner(self, *a, **k))[1]
    )
    plain = write_config(tmp_path, extra=RESNET, uda=DACS)
    wanted = trained(plain, tmp_path / 'plain')
    assert not calls
    leaf = tmp_path / 'leaf.py'
    leaf.write_text(f'_base_ = [{str(plain)!r}, {str(OVERLAY)!r}]\n')
    found = trained(leaf, tmp_path / 'leaf')
    assert set(calls) == {'CheckpointedBasicBlock'}
    trains_alike_and_resumes(leaf, tmp_path / 'leaf', found, wanted)


@pytest.mark.parametrize('extra', [dict(), dict(activation_checkpointing=True)], ids=['plain', 'checkpointed'])
def test_compiled_blocks_train_the_same_network(
    extra: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    functions: list[Any] = []
    compile_with = torch.compile

    def by_torch_itself(function: Any, **how: Any) -> Any:
        functions.append(function.__qualname__)
        return compile_with(function, backend='eager', **how)

    monkeypatch.setattr(torch, 'compile', by_torch_itself)
    wanted = trained(write_config(tmp_path, extra=RESNET, uda=DACS), tmp_path / 'plain')
    assert not functions
    options = dict(compile='blocks', **extra)
    fast = write_config(tmp_path, 'fast.py', extra=f'{RESNET}\nengine = {options!r}', uda=DACS)
    found = trained(fast, tmp_path / 'fast')
    assert sorted(functions) == ['BasicBlock.forward', 'ConvModule.forward']
    trains_alike_and_resumes(fast, tmp_path / 'fast', found, wanted)


def test_without_cuda_a_run_goes_on_without_its_graphs(tmp_path: Path) -> None:
    wanted = trained(write_config(tmp_path, uda=DACS), tmp_path / 'plain')
    fast = write_config(tmp_path, 'fast.py', extra='engine = dict(cuda_graphs=True)', uda=DACS)
    words: list[str] = []
    handler = logging.Handler(logging.WARNING)
    handler.emit = lambda record: words.append(record.getMessage())  # type: ignore[method-assign]
    logging.getLogger('mmseg').addHandler(handler)
    try:
        found = trained(fast, tmp_path / 'fast', '--device', 'cpu')
    finally:
        logging.getLogger('mmseg').removeHandler(handler)
    assert all(torch.equal(found[key], value) for key, value in wanted.items())
    assert 'engine.cuda_graphs: cpu has none, the training goes on without them' in words


def test_the_overlay_takes_hrda_apart_where_no_gradient_is_needed() -> None:
    model = hrda_config(16, num_classes=5)
    aspp = dict(
        type='aspp', sep=True, dilations=(1, 2), pool=False, act_cfg=dict(type='ReLU'), norm_cfg=dict(type='BN')
    )
    head = daformer_head_config(aspp, in_channels=[8], in_index=[1])
    model['decode_head'] = dict(head, type='HRDAHead', single_scale_head='DAFormerHead')
    cfg = Config(
        dict(
            model=model,
            uda=dict(type='DACS'),
            runner=dict(type='IterBasedRunner', max_iters=4),
            memory=Config.fromfile(str(OVERLAY)).memory,
        )
    )
    spread_memory(cfg)
    options = EngineOptions.from_config({**cfg.engine, 'activation_checkpointing': False})
    method: Any = arrange(build_train_model(cfg, 0), options)
    for network in (method.student, method.teacher.model):
        assert network.hr_windows_per_chunk == 'auto' and network.decode_head.head.fuse_layer.strips == STRIPS


def test_memory_options_go_where_they_are_read() -> None:
    cfg = Config(dict(memory=dict(activation_checkpointing=True, precision='bf16'), engine=dict(channels_last=True)))
    spread_memory(cfg)
    assert cfg.optimizer_config == dict(precision='bf16')
    assert cfg.engine == dict(activation_checkpointing=True, channels_last=True)
    own = Config(dict(memory=dict(precision='bf16'), optimizer_config=dict(precision='fp32')))
    spread_memory(own)
    assert own.optimizer_config.precision == 'fp32', 'an overlay must not override what the config says'


@pytest.mark.parametrize(
    'options, message',
    [
        (dict(chanels_last=True), 'channels_last'),
        (dict(windows_per_chunk=0), 'engine.windows_per_chunk must be positive'),
        (dict(windows_per_chunk='all'), "engine.windows_per_chunk must be positive, 'auto' or None"),
        (dict(compile='block'), "engine.compile must be 'backbone', 'blocks', True or False, got 'block'"),
        (dict(cuda_graphs=True, compile='blocks'), "leave compile='blocks' out"),
        (dict(cuda_graphs=True, activation_checkpointing=True), 'leave out activation_checkpointing, or cuda_graphs'),
        (dict(compile=True, activation_checkpointing=True), "write compile='blocks'"),
    ],
)
def test_wrong_options_are_named(options: dict[str, Any], message: str) -> None:
    with pytest.raises((KeyError, ValueError), match=message):
        EngineOptions.from_config(options)

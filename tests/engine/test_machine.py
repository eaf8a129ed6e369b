"""The check of a machine: a step and two processes on it are compared, and a config is timed."""

from __future__ import annotations

import functools
import json
from pathlib import Path

import pytest
import torch

from mmseg_uda.engine import device_checks, machine
from tests.engine.worlds import write_config


def test_a_sound_machine_passes_and_a_config_is_timed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    config = write_config(tmp_path, uda='dict(type="DACS")')
    out = tmp_path / 'found.json'
    options = [
        '--device',
        'cpu',
        '--steps',
        '1',
        '--size',
        '16',
        '32',
        '--variants',
        'fp32',
        'bf16',
        '--json',
        str(out),
    ]
    machine.main([str(config), *options])
    found = json.loads(out.read_text())
    assert [row['variant'] for row in found['rows']] == ['fp32', 'bf16']
    assert all(row['seconds'] > 0 and row['hours'] >= 0 for row in found['rows'])
    assert all(check['ok'] for check in found['checks'])
    assert {'fp32', 'bf16', 'ranks'} <= {check['name'] for check in found['checks']}
    shown = capsys.readouterr().out
    assert 'two processes on one device' in shown and str(config) in shown


def test_a_wrong_or_non_finite_update_fails(monkeypatch: pytest.MonkeyPatch) -> None:
    wanted = torch.ones(3, dtype=torch.float64)
    assert device_checks.deviation(wanted * 1.5, wanted) == pytest.approx(0.5)
    assert device_checks.deviation(torch.tensor([1.0, float('nan'), 1.0]), wanted) == float('inf')
    updates = iter([wanted, wanted * 2])
    monkeypatch.setattr(device_checks, 'update_of', lambda *_: next(updates))
    finding = device_checks.step_agrees('fp32', torch.device('cpu'))
    assert not finding.ok and 'deviates by 1.0e+00' in finding.text


def test_an_unknown_variant_is_named_before_anything_runs() -> None:
    with pytest.raises(ValueError, match="'bf61' is none .*bf16"):
        machine.main(['--variants', 'bf61'])


def test_compiled_steps_are_compared_and_a_fallback_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def failing(*_: object) -> None:
        raise FileNotFoundError('no compiler')

    compile_with = torch.compile
    device = torch.device('cpu')
    monkeypatch.setattr(torch, 'compile', functools.partial(compile_with, backend='eager'))
    finding = device_checks.step_agrees('compiled blocks, DACS', device)
    assert finding.ok and finding.name not in [name for name in device_checks.PROBES if machine.fits(name, device)]
    monkeypatch.setattr(torch, 'compile', functools.partial(compile_with, backend=failing))
    finding = device_checks.step_agrees('compiled blocks, DACS', device)
    assert not finding.ok and 'TransformerEncoderLayer could not be compiled' in finding.text
    monkeypatch.setattr(machine, 'PROBES', {})
    monkeypatch.setattr(machine, 'ranks_agree', lambda _: device_checks.Finding('ranks', True, ''))
    config = write_config(tmp_path, uda='dict(type="DACS")')
    options = ['--device', 'cpu', '--steps', '1', '--size', '16', '32', '--variants', 'compiled backbone']
    (row,) = machine.main([str(config), *options])['rows']
    assert row['not_compiled'] == ['TinyBackbone'] and 'not compiled: TinyBackbone' in capsys.readouterr().out

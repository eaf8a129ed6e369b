"""How commands end: one line for errors of the user, a trace for errors of the program."""

from __future__ import annotations

import signal
from pathlib import Path
from typing import Any

import pytest

from mmseg_uda.utils.cli import USER_ERROR, run_tool
from tests.engine.worlds import edit, write_config
from tests.harness import processes


def ends(main: Any, argv: list[str], capsys: pytest.CaptureFixture[str]) -> tuple[int, str]:
    with pytest.raises(SystemExit) as end:
        run_tool(main, argv)
    return int(end.value.code), capsys.readouterr().err  # type: ignore[arg-type]


def test_an_error_of_the_user_is_one_line_and_status_2(tmp_path: Path) -> None:
    config = edit(write_config(tmp_path), 'num_convs=1', 'num_conv=1')
    status, text = processes.run('train.py', config, '--work-dir', tmp_path / 'run', '--device', 'cpu', folder=tmp_path)
    assert status == USER_ERROR and 'Traceback' not in text
    assert text.splitlines()[-1].startswith('ConfigError: ') and "did you mean 'num_convs'" in text.splitlines()[-1]
    assert 'Traceback' in next((tmp_path / 'run').glob('*.log')).read_text()


@pytest.mark.parametrize(
    'tool, arguments',
    [
        ('train.py', ['absent.py']),
        ('test.py', ['absent.py', 'absent.pth']),
        ('predict.py', ['absent.py', 'absent.pth', 'absent.png']),
        ('report.py', ['absent']),
        ('run_stages.py', ['absent.py']),
        ('pseudo_labels.py', ['stats', 'absent']),
        ('class_stats.py', ['absent.py']),
        ('convert_checkpoint.py', ['absent.pth', 'out.pth']),
        ('convert_datasets/gta.py', ['absent']),
    ],
)
def test_every_tool_names_a_missing_file_in_its_last_line(tool: str, arguments: list[str], tmp_path: Path) -> None:
    (tmp_path / 'convert_datasets').mkdir()
    status, text = processes.run(tool, *arguments, folder=tmp_path)
    assert status == USER_ERROR and 'Traceback' not in text and 'absent' in text.splitlines()[-1], text


def test_debug_shows_the_trace_wherever_it_stands(capsys: pytest.CaptureFixture[str]) -> None:
    def main(argv: list[str]) -> None:
        assert argv == ['threshold', 'x']
        raise FileNotFoundError('x is not\nthere')

    assert ends(main, ['threshold', 'x'], capsys) == (USER_ERROR, 'FileNotFoundError: x is not there\n')
    status, text = ends(main, ['threshold', '--debug', 'x'], capsys)
    assert status == USER_ERROR and 'Traceback' in text


def test_an_error_of_the_program_keeps_its_trace() -> None:
    for wrong in (lambda argv: {}['key'], lambda argv: int('x'), lambda argv: [][1]):
        with pytest.raises((KeyError, ValueError, IndexError)):
            run_tool(wrong, [])


def test_ctrl_c_ends_a_tool_in_one_line(tmp_path: Path) -> None:
    def interrupt() -> None:
        import mmcv

        mmcv.Config.fromfile = lambda *_: signal.raise_signal(signal.SIGINT)

    status, text = processes.run('class_stats.py', write_config(tmp_path), folder=tmp_path, before=interrupt)
    assert status == 130 and text.strip() == 'interrupted'

"""What a training shows: one screen, then a line that is drawn anew on a terminal, mmcv's lines elsewhere."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import struct
import sys
import termios
import threading
from pathlib import Path
from typing import Any

from tests.engine.worlds import write_config
from tests.harness import processes

TEACHER = "dict(type='SelfTraining', teacher=dict(alpha=0.9), mixer=dict(type='ClassMixer'))"


class Terminal:
    """A pseudo-terminal of 120 columns that a tool writes to; ``text`` is what it got."""

    def __init__(self) -> None:
        self.master, self.slave = pty.openpty()
        fcntl.ioctl(self.slave, termios.TIOCSWINSZ, struct.pack('HHHH', 40, 120, 0, 0))
        self.text = ''
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def before(self) -> None:
        """In the tool's process: write here, and draw the progress line in every iteration."""
        from mmseg_uda.engine import live

        live.REDRAW = 0.0
        sys.stderr = os.fdopen(os.dup(self.slave), 'w', buffering=1)

    def _read(self) -> None:
        got = b''
        while True:
            try:
                chunk = os.read(self.master, 65536)
            except OSError:  # the last writer has left
                break
            if not chunk:
                break
            got += chunk
            self.text = got.decode(errors='replace')

    def finish(self) -> str:
        """What was written until the tool ended."""
        os.close(self.slave)
        self._reader.join(timeout=30)
        return self.text


def train(folder: Path, **options: Any) -> str:
    config = write_config(folder, uda=TEACHER)
    arguments = (config, '--work-dir', folder / 'run', '--device', 'cpu')
    status, text = processes.run('train.py', *arguments, folder=folder, **options)
    assert status == 0, text
    return text


def log_of(folder: Path) -> str:
    return next((folder / 'run').glob('*.log')).read_text()


def test_one_screen_comes_before_the_first_iteration(tmp_path: Path) -> None:
    lines = train(tmp_path).splitlines()
    before = lines[: next(i for i, line in enumerate(lines) if 'Iter [' in line)]
    assert len(before) < 40
    screen = '\n'.join(before)
    for word in ('SelfTraining', 'EMATeacher', 'ClassMixer', 'TinyBackbone', 'cpu', 'iterations 1 to 4', 'AdamW'):
        assert word in screen, f'{word} is not in:\n{screen}'
    assert str(tmp_path / 'source') in screen and str(tmp_path / 'run') in screen
    details = log_of(tmp_path)
    for text in (
        screen.splitlines()[-1],
        'CUDA available',
        'decode_head=dict(',
        'Initialization information',
        'after_train_iter:',
    ):
        assert text in details, f'{text} is not in the log'
    assert 'decode_head=dict(' not in '\n'.join(lines)


def test_a_terminal_gets_a_line_and_the_log_file_mmcv_s(tmp_path: Path) -> None:
    terminal = Terminal()
    train(tmp_path, before=terminal.before)
    text = terminal.finish()
    assert re.search(r'100% .* 4/4 .* loss \d+\.\d+ .*img/s  data wait', text), text
    assert 'Iter [' not in text and 'method      SelfTraining' in text
    assert re.findall(r'Iter \[(\d)/4\]\tlr: .*, loss: ', log_of(tmp_path)) == ['2', '4']


def test_the_log_level_debug_shows_everything(tmp_path: Path) -> None:
    config = write_config(tmp_path, extra="log_level = 'DEBUG'\n")
    status, text = processes.run('train.py', config, '--work-dir', tmp_path / 'run', folder=tmp_path)
    assert status == 0 and 'decode_head=dict(' in text and 'after_train_iter:' in text

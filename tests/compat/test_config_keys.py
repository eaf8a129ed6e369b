"""The page of configuration keys is that of the source."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any, Optional

import pytest

ROOT = Path(__file__).resolve().parents[2]
TOOL = runpy.run_path(str(ROOT / 'tools' / 'config_keys.py'))


def test_the_page_agrees_with_the_source(capsys: pytest.CaptureFixture) -> None:
    assert TOOL['main'](['--check']) == 0, capsys.readouterr().out


class Base:
    """What it is.

    Args:
        size: of ``x``; see
            :class:`~mmseg_uda.ops.Thing`.
        low, high: two | ends.
    """

    def __init__(self, size: int, low: float = 0.0, high: Optional[dict[str, Any]] = None) -> None: ...


class Child(Base):
    """More of it.

    Args:
        mode: how.
    """

    def __init__(self, mode: str = 'a', size: int = 3, **kwargs: object) -> None: ...


Base.__module__ = Child.__module__ = 'mmseg_uda.example'


def test_keys_follow_the_bases_and_take_their_meaning_from_docstrings() -> None:
    keys = TOOL['keys_of'](Child)
    assert [(key.name, key.default) for key in keys] == [('mode', 'a'), ('size', 3), ('low', 0.0), ('high', None)]
    assert TOOL['table'](keys).split('\n')[2:6] == [
        "| `mode` | `str` | `'a'` | how. |",
        '| `size` | `int` | `3` | of `x`; see `Thing`. |',
        '| `low` | `float` | `0.0` | two \\| ends. |',
        '| `high` | `dict[str, any]` | `None` | two \\| ends. |',
    ]


def test_a_key_without_a_meaning_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    silent = TOOL['Key']('size', 'int', 1, '')
    monkeypatch.setitem(TOOL['page'].__globals__, 'sections', lambda: [('### `Thing`\n...', [silent])])
    with pytest.raises(ValueError, match='do not say what these mean: `Thing`: size'):
        TOOL['page']()

"""The parity tests together must use every array of every vector file: what they ignore, other files of the family may
hold differently.

Several tests may share a file, on several processes: each reports what it looked at, and the last word is spoken when
the session ends, if all parity tests ran.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from tests.parity import golden

HERE = Path(__file__).resolve().parent
#: path of a vector file -> its arrays that nobody has looked at
_UNUSED: dict[str, set[str]] = {}


def _note(found: dict[str, list[str]]) -> None:
    for path, names in found.items():
        _UNUSED[path] = _UNUSED.get(path, set(names)) & set(names)


def pytest_runtest_teardown() -> None:
    for vector in golden.OPENED:
        _note({str(vector.path): vector.unused})
    golden.OPENED.clear()


def _is_whole(config: pytest.Config) -> bool:
    """Whether all parity tests were asked for."""
    if config.option.keyword or config.option.markexpr or getattr(config.option, 'deselect', None):
        return False
    roots = [Path(str(config.invocation_params.dir), argument).resolve() for argument in config.args]
    return any(root == HERE or root in HERE.parents for root in roots)


class _Gather:
    """Brings the workers' notes together."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        _note(getattr(node, 'workeroutput', {}).get('unused_arrays', {}))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        output = getattr(session.config, 'workeroutput', None)
        if output is not None:  # a worker
            output['unused_arrays'] = {path: sorted(names) for path, names in _UNUSED.items()}
            return
        left = {Path(path).name: sorted(names) for path, names in sorted(_UNUSED.items()) if names}
        if left and exitstatus == 0 and _is_whole(session.config):
            reporter = session.config.pluginmanager.getplugin('terminalreporter')
            for name, arrays in left.items():
                reporter.write_line(f'FAILED {name}: no parity test looked at {", ".join(arrays)}')
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Gather(), 'unused-arrays')

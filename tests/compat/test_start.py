"""The tools read their arguments before they import anything heavy."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

import mmseg_uda_command
from mmseg_uda.datasets.conversion import CONVERSIONS
from mmseg_uda.engine.convert_checkpoint import TARGETS
from mmseg_uda.engine.predictions import SERVER_FORMATS
from mmseg_uda.engine.pseudo_label_extraction import UPSAMPLINGS
from mmseg_uda.engine.pseudo_label_modes import MODES
from mmseg_uda.engine.pseudo_label_tool import LEVELS
from mmseg_uda.ops.esl import SCORES
from mmseg_uda.options import common, convert_checkpoint, convert_datasets, make_toy_world, pseudo_labels
from mmseg_uda.toy import TOY_DATASETS
from tests.compat.test_repository import ROOT, imported_modules, sources

HEAVY = ('torch', 'mmcv', 'mmseg', 'numpy', 'cv2', 'timm')
#: every tool in one process, each with the modules of its own only
PROGRAM = """
import io, os, runpy, sys
from contextlib import redirect_stdout
kept = set(sys.modules)
for words in sys.argv[1:]:
    sys.argv = words.split()
    text = io.StringIO()
    try:
        with redirect_stdout(text):
            if sys.argv[0] == '-m':
                sys.orig_argv = [sys.executable, '-m', 'mmseg_uda', *sys.argv[1:]]
                runpy.run_module('mmseg_uda', run_name='__main__')
            else:
                sys.path[0] = os.path.dirname(sys.argv[0])  # as python itself sets it
                runpy.run_path(sys.argv[0], run_name='__main__')
    except SystemExit as end:
        assert not end.code, (words, end.code)
    assert text.getvalue().startswith('usage: '), (words, text.getvalue()[:200])
    heavy = sorted({name.split('.')[0] for name in sys.modules} & set(HEAVY))
    assert not heavy, f'{words} imports {heavy}'
    for name in set(sys.modules) - kept:
        if name.startswith(('mmseg_uda', '_mmseg_uda')):
            del sys.modules[name]
"""


def tools() -> list[str]:
    files = sorted((ROOT / 'tools').rglob('*.py'))
    return [str(path) for path in files if '__main__' in path.read_text(encoding='utf-8')]


def test_help_of_every_tool_and_command_imports_nothing_heavy(tmp_path: Path) -> None:
    calls = [f'{tool} --help' for tool in tools()]
    calls += ['-m', '-m --help', *(f'-m {command} --help' for command in mmseg_uda_command.COMMANDS)]
    done = subprocess.run(
        [sys.executable, '-c', f'HEAVY = {HEAVY}\n{PROGRAM}', *calls],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': str(ROOT)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr


def test_the_package_as_a_command_registers_nothing_until_a_tool_starts(tmp_path: Path) -> None:
    code = "import sys, mmseg_uda; print(sorted({'torch', 'mmcv'} & set(sys.modules)), mmseg_uda.__version__)"
    program = f"import sys; sys.orig_argv = [sys.executable, '-m', 'mmseg_uda']; sys.argv = ['-m']; {code}"
    done = subprocess.run([sys.executable, '-c', program], env={**os.environ, 'PYTHONPATH': str(ROOT)},
                          cwd=tmp_path, capture_output=True, text=True)  # fmt: skip
    assert done.stdout.startswith('[] '), done.stderr


def test_command_lines_need_the_standard_library_only() -> None:
    standard = set(getattr(sys, 'stdlib_module_names', ('argparse', 'pathlib', 'sys', 'typing')))
    found = [
        f'{path.relative_to(ROOT)} imports {module}'
        for path, tree in sources('mmseg_uda/options').items()
        for module in imported_modules(_outside_functions(tree), path)
        if module.split('.')[0] not in {*standard, '__future__'} and not module.startswith('mmseg_uda.options')
    ]
    assert not found


def _outside_functions(tree: ast.Module) -> ast.Module:
    return ast.Module([node for node in tree.body if isinstance(node, (ast.Import, ast.ImportFrom))], [])


@pytest.mark.parametrize(
    'named, known',
    [
        (common.FORMATS[2:], SERVER_FORMATS),
        (convert_checkpoint.TARGETS, TARGETS),
        (convert_datasets.LAYOUTS, CONVERSIONS),
        (make_toy_world.TOY_DATASETS, TOY_DATASETS),
        (pseudo_labels.CRITERIA, SCORES),
        (pseudo_labels.LEVELS, LEVELS),
        (pseudo_labels.UPSAMPLINGS, UPSAMPLINGS),
        (pseudo_labels.MODES, MODES),
    ],
    ids=('formats', 'targets', 'conversions', 'toy', 'criteria', 'levels', 'upsamplings', 'modes'),
)
def test_what_the_command_lines_offer_is_what_the_tools_know(named: object, known: object) -> None:
    assert sorted(named) == sorted(known)  # type: ignore[call-overload]


def test_options_of_the_config_are_read_as_mmcv_reads_them(capsys: pytest.CaptureFixture[str]) -> None:
    from mmcv import DictAction

    from mmseg_uda.options.test import parse_args

    words = ['a.b=1', 'c=[1,(2,x)]', 'd=None', 'e=x=y', 'f="g,h"', 'i=0.5,True']
    read = parse_args(['config.py', 'x.pth', '--cfg-options', *words, '--eval-options', *words])
    assert read.cfg_options == read.eval_options
    assert read.cfg_options == {
        word.split('=', 1)[0]: DictAction._parse_iterable(word.split('=', 1)[1]) for word in words
    }
    with pytest.raises(SystemExit):
        parse_args(['config.py', 'x.pth', '--cfg-options', 'model.backbone.depth', '50'])
    assert "write KEY=VALUE, got 'model.backbone.depth'" in capsys.readouterr().err


def test_garbage_is_collected_again_once_the_tool_runs(tmp_path: Path) -> None:
    (tmp_path / 'probe.py').write_text(
        'import gc\n\n\ndef main(arguments):\n    print(gc.isenabled(), gc.get_freeze_count())\n'
    )
    program = "from mmseg_uda_command import start_tool; start_tool('probe:main', 'demo')"
    path = os.pathsep.join([str(ROOT), str(tmp_path)])
    done = subprocess.run(
        [sys.executable, '-c', program],
        cwd=tmp_path,
        env={**os.environ, 'PYTHONPATH': path},
        capture_output=True,
        text=True,
        check=True,
    )
    enabled, frozen = done.stdout.split()
    assert enabled == 'True' and int(frozen) > 0

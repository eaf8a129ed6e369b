"""Rules about the source text that no run would notice: unsafe loading, machine paths, layers, sizes, unfinished
code."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from functools import lru_cache
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / 'mmseg_uda'
CONFIG_READER = PACKAGE / 'utils' / 'config_files.py'
SAFE_LOADER = PACKAGE / 'utils' / 'checkpoint_io.py'
MAX_MODULE_LINES = 400
MAX_FUNCTION_LINES = 80
MAX_FILE_BYTES = 1_000_000
MACHINE_PATH = re.compile(r"""["'(\s=](/(?:home|root|mnt|work|Users|scratch|gpfs|cluster|data\d*)/[\w.-]+)""")


def python_files(*folders: str) -> list[Path]:
    return sorted(path for folder in folders for path in (ROOT / folder).rglob('*.py'))


@lru_cache(maxsize=None)
def syntax_tree(path: Path) -> ast.Module:
    return ast.parse(path.read_text(encoding='utf-8'))


def sources(*folders: str) -> dict[Path, ast.Module]:
    return {path: syntax_tree(path) for path in python_files(*folders)}


def dotted(node: ast.AST) -> str:
    """``a.b.c`` of a name or attribute, '' of anything else."""
    if isinstance(node, ast.Attribute):
        return f'{dotted(node.value)}.{node.attr}'
    return node.id if isinstance(node, ast.Name) else ''


def calls(tree: ast.Module, *names: str) -> list[ast.Call]:
    return [node for node in ast.walk(tree) if isinstance(node, ast.Call) and dotted(node.func) in names]


def keyword_source(call: ast.Call, name: str) -> str:
    return next((ast.unparse(keyword.value) for keyword in call.keywords if keyword.arg == name), '')


def where(path: Path, node: ast.AST) -> str:
    return f'{path.relative_to(ROOT)}:{getattr(node, "lineno", 1)}'


def tracked_files() -> list[Path]:
    """What git tracks or would track; every file below the project where there is no git, as in an unpacked archive."""
    git = subprocess.run(
        ['git', 'ls-files', '--cached', '--others', '--exclude-standard'], cwd=ROOT, capture_output=True, text=True
    )
    if git.returncode == 0:
        return [path for path in (ROOT / name for name in git.stdout.splitlines()) if path.is_file()]
    return [
        path
        for name in ('mmseg_uda', 'configs', 'tools', 'tests', 'docs')
        for path in (ROOT / name).rglob('*')
        if path.is_file()
    ]


def test_checkpoints_are_opened_by_the_one_safe_loader():
    found = [
        where(path, call)
        for path, tree in sources('mmseg_uda', 'tools').items()
        if path != SAFE_LOADER
        for call in calls(
            tree, 'torch.load', 'torch.jit.load', 'mmcv.load', 'CheckpointLoader.load_checkpoint', 'load_checkpoint'
        )
        if not (dotted(call.func) == 'torch.load' and keyword_source(call, 'weights_only') == 'True')
    ]
    assert not found, f'these open files that may execute code; use mmseg_uda.utils.checkpoint_io: {found}'


def test_yaml_pickle_and_eval_execute_nothing():
    found = []
    for path, tree in sources('mmseg_uda', 'tools', 'configs').items():
        found += [
            where(path, call) for call in calls(tree, 'yaml.load') if 'Safe' not in keyword_source(call, 'Loader')
        ]
        found += [
            where(path, call)
            for call in calls(tree, 'pickle.load', 'pickle.loads', 'eval', 'exec', 'Config.fromstring', 'os.system')
            # a config file is a Python program, for mmcv too
            if not (path == CONFIG_READER and dotted(call.func) == 'exec')
        ]
        found += [
            where(path, call)
            for call in calls(tree, 'np.load', 'numpy.load')
            if keyword_source(call, 'allow_pickle') == 'True'
        ]
    assert not found, f'these execute what they read: {found}'


def test_no_machine_paths():
    found = []
    for path in tracked_files():
        if (
            path.suffix in ('.py', '.md', '.sh', '.yml', '.yaml', '.json', '.txt', '.toml', '.html')
            or path.name == 'Makefile'
        ):
            matches = MACHINE_PATH.findall(path.read_text(encoding='utf-8'))
            found += [f'{path.relative_to(ROOT)}: {match}' for match in matches]
    assert not found, f'absolute paths of one machine: {found}'


def imported_modules(tree: ast.Module, path: Path) -> set[str]:
    """Absolute names of all imported modules; relative imports are resolved."""
    package = ('mmseg_uda', *path.relative_to(PACKAGE).parts[:-1]) if PACKAGE in path.parents else ()
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = '.'.join(package[: len(package) - node.level + 1]) if node.level else ''
            module = '.'.join(part for part in (base, node.module or '') if part)
            names.add(module)
            names.update(f'{module}.{alias.name}' for alias in node.names)
    return names


#: CONTRIBUTING.md prints this: a folder or module of the package imports from lower floors only, not from its neighbours
FLOORS = (
    ('ops', 'streams', 'registry', 'compat', 'options', 'version'),
    ('utils',),
    ('models', 'datasets'),
    ('components', 'toy'),
    ('methods',),
    ('builder',),
    ('engine',),
    ('active',),
    ('__main__', 'stock'),
)
FLOOR = {name: number for number, names in enumerate(FLOORS) for name in names}


def room(path: Path) -> str:
    """The folder or top-level module of the package that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].split('.')[0]


def test_every_folder_has_a_floor():
    rooms = {room(path) for path in python_files('mmseg_uda')} - {'__init__'}
    assert rooms == set(FLOOR)


@pytest.mark.parametrize('name', FLOOR)
def test_imports_run_downwards(name):
    found = [
        f'{path.relative_to(ROOT)} imports {module}'
        for path, tree in sources('mmseg_uda').items()
        if room(path) == name
        for module in sorted(imported_modules(tree, path))
        for other in [module.split('.')[1] if module.startswith('mmseg_uda.') else '']
        if other != name and FLOOR.get(other, -1) >= FLOOR[name]
    ]
    assert not found


def test_ops_know_tensors_only():
    allowed = ('torch', 'numpy', 'mmseg_uda.ops')
    standard = (
        set(sys.stdlib_module_names) if hasattr(sys, 'stdlib_module_names') else {'math', 'typing', 'dataclasses'}
    )
    found = [
        f'{path.relative_to(ROOT)} imports {module}'
        for path, tree in sources('mmseg_uda/ops').items()
        for module in imported_modules(tree, path)
        if not module.startswith(allowed) and module.split('.')[0] not in standard
    ]
    assert not found


def test_the_package_needs_no_tools_tests_or_benchmarks():
    found = [
        f'{path.relative_to(ROOT)} imports {module}'
        for path, tree in sources('mmseg_uda').items()
        for module in imported_modules(tree, path)
        if module.split('.')[0] in ('tools', 'tests', 'benchmarks', 'examples')
    ]
    assert not found


def test_contributing_prints_the_floors():
    text = (ROOT / 'CONTRIBUTING.md').read_text(encoding='utf-8')
    rows = re.findall(r'^\| (\d) \| (.+?) \|', text, re.MULTILINE)
    printed = {int(number): set(re.findall(r'`(\w+)(?:\.py)?`', names)) for number, names in rows}
    assert printed == {number: set(names) - {'version'} for number, names in enumerate(FLOORS)}


def test_modules_and_functions_stay_small():
    found = []
    for path, tree in sources('mmseg_uda', 'tools', 'tests', 'benchmarks', 'examples').items():
        lines = len(path.read_text(encoding='utf-8').splitlines())
        if lines > MAX_MODULE_LINES:
            found.append(f'{path.relative_to(ROOT)} has {lines} lines')
        for node in ast.walk(tree):
            if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
                length = (node.end_lineno or node.lineno) - node.lineno + 1
                if length > MAX_FUNCTION_LINES:
                    found.append(f'{where(path, node)} {node.name} has {length} lines')
    assert not found


def test_nothing_is_left_unfinished():
    marks = re.compile(r'\b(?:TO' r'DO|FIX' r'ME|XX' r'X|TB' r'D)\b|raise NotImplemented' r'Error')
    found = [
        f'{path.relative_to(ROOT)}: {match.group()}'
        for path in tracked_files()
        if path.suffix in ('.py', '.md', '.sh', '.yml')
        for match in marks.finditer(path.read_text(encoding='utf-8'))
    ]
    assert not found


def test_tracked_files_are_small():
    found = [str(path.relative_to(ROOT)) for path in tracked_files() if path.stat().st_size > MAX_FILE_BYTES]
    assert not found


def test_no_test_is_skipped():
    skipping = (
        'pytest.skip',
        'pytest.importorskip',
        'pytest.xfail',
        'pytest.mark.skip',
        'pytest.mark.skipif',
        'pytest.mark.xfail',
    )
    found = [
        f'{where(path, node)} {dotted(node)}'
        for path, tree in sources('tests').items()
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and dotted(node) in skipping
    ]
    assert not found

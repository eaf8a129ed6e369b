"""The commands that the pages show: their tools take the flags, their configs exist and have the options.

Every ``bash`` block is run by bash, loops and variables included, with functions in the place of all programs: they
only note the arguments. Each noted command is then handed to its tool, which is stopped once it has read its
arguments.
"""

from __future__ import annotations

import argparse
import os
import re
import runpy
import shutil
import subprocess
from pathlib import Path
from typing import Any, Iterable
from unittest import mock

import pytest
from mmcv import Config

from mmseg_uda.engine.stages import recipe_stages
from tests.compat.test_catalogue import pages, relative
from tests.compat.test_repository import ROOT

BLOCK = re.compile(r'^ *```bash\n(.*?)^ *```', re.MULTILINE | re.DOTALL)
#: options in brackets are optional: all are tried
BRACKETS = re.compile(r'\[(-[^\]]*|[A-Z][^\]]*)\]')
STUBS = r"""
exec 3> commands
note() { printf '%s\x1f' "$@" >&3; printf '\x1e' >&3; }
command_not_found_handle() { :; }
python() { note "$@"; }
make() { note make "$@"; }
torchrun() { while [[ $# -gt 0 && $1 != tools/* ]]; do shift; done; note "$@"; }
dist_train() { note tools/train.py "$1" "${@:3}"; }
dist_test() { note tools/test.py "$1" "$2" "${@:4}"; }
slurm_train() { note tools/train.py "$3" --work-dir "$4" "${@:5}"; }
"""


class Parsed(Exception):
    """Carries the arguments out of a tool."""


def commands(page: Path, folder: Path) -> list[list[str]]:
    """The commands of a page as words, with loops unrolled and variables filled in."""
    for name in ('configs', 'tools'):
        (folder / name).symlink_to(ROOT / name)
    found = []
    for block in BLOCK.findall(page.read_text(encoding='utf-8')):
        script = re.sub(r'(bash )?tools/((dist|slurm)_\w+)\.sh', r'\2', BRACKETS.sub(r'\1', block))
        result = subprocess.run(
            [shutil.which('bash') or 'bash', '-c', STUBS + script],
            cwd=folder,
            env={'PATH': ''},
            capture_output=True,
            text=True,
        )
        assert 'syntax error' not in result.stderr, f'{result.stderr}\n{block}'
        noted = (folder / 'commands').read_text(encoding='utf-8')
        found += [command.split('\x1f')[:-1] for command in noted.split('\x1e')[:-1]]
    return found


def arguments(tool: Path, words: list[str]) -> argparse.Namespace:
    """What ``tool`` reads from ``words``."""
    parse = argparse.ArgumentParser.parse_args

    def parse_and_stop(parser: argparse.ArgumentParser, *args: Any) -> None:
        raise Parsed(parse(parser, *args))

    with (
        mock.patch('sys.argv', [str(tool), *words]),
        mock.patch.object(argparse.ArgumentParser, 'parse_args', parse_and_stop),
    ):
        try:
            runpy.run_path(str(tool), run_name='__main__')
        except Parsed as parsed:
            return parsed.args[0]
        except SystemExit as error:
            raise AssertionError(f'{relative(tool)} does not take {words}') from error
    raise AssertionError(f'{relative(tool)} reads no arguments')


#: entries that a command line may add to a config that has none
ADDED = ('views', 'data.cache', 'memory', 'engine')


def missing_options(path: Path, options: Iterable[str]) -> list[str]:
    """Options below an entry that the config does not have; those of a recipe's stage are looked for in the config of
    the stage."""
    missing = []
    for name in options:
        if name.startswith(tuple(f'{added}.' for added in ADDED)):
            continue
        entry: Any = Config.fromfile(str(path))
        *keys, _ = name.split('.')
        if len(keys) > 2 and (keys[0], keys[2]) == ('stages', 'options'):
            entry, keys = Config.fromfile(str(path.parent / recipe_stages(entry)[int(keys[1])]['config'])), keys[3:]
        for key in keys:
            entry = entry[int(key)] if isinstance(entry, (list, tuple)) else entry.get(key)
            if entry is None:
                missing.append(name)
                break
    return missing


@pytest.fixture(autouse=True)
def paths_of_a_user(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(ROOT)
    monkeypatch.setitem(os.environ, 'MMSEG_UDA_CAMVID', 'data/camvid')


@pytest.mark.parametrize(
    'page', [page for page in pages() if '```bash' in page.read_text(encoding='utf-8')], ids=relative
)
def test_commands_of_a_page_are_taken(page: Path, tmp_path: Path) -> None:
    targets = re.findall(r'^(\w[\w-]*):', (ROOT / 'Makefile').read_text(encoding='utf-8'), re.MULTILINE)
    for command in commands(page, tmp_path):
        if command[0] == 'make':
            assert command[1] in targets, command
        if not command[0].startswith('tools/'):
            continue
        configs = [word for word in command if word.startswith('configs/') and '/my_' not in word]
        absent = [word for word in configs if not (ROOT / word).is_file()]
        assert not absent, f'{absent} of {" ".join(command)}'
        args = arguments(ROOT / command[0], command[1:])
        options = [
            *(getattr(args, 'cfg_options', None) or ()),
            *(f'stages.0.options.{name}' for name in getattr(args, 'train_options', None) or ()),
        ]
        if configs and options:
            missing = missing_options(ROOT / configs[0], options)
            assert not missing, f'{configs[0]} has no entry for {missing}'


def test_launchers_are_read_as_the_tools_they_start(tmp_path: Path) -> None:
    page = tmp_path / 'page.md'
    page.write_text(
        '```bash\ntorchrun --nproc_per_node 2 tools/run_stages.py a.py --launcher pytorch\ntools/dist_train.sh '
        'b.py 2 --seed 1\n'
        'bash tools/dist_test.sh c.py c.pth 2 --eval mIoU\ntools/slurm_train.sh P J d.py work --seed 2\n```\n'
    )
    assert commands(page, tmp_path) == [
        ['tools/run_stages.py', 'a.py', '--launcher', 'pytorch'], ['tools/train.py', 'b.py', '--seed', '1'],
        ['tools/test.py', 'c.py', 'c.pth', '--eval', 'mIoU'], ['tools/train.py', 'd.py', '--work-dir', 'work', '--seed', '2'],
    ]  # fmt: skip


def test_what_no_page_should_show_is_found(tmp_path: Path) -> None:
    page = tmp_path / 'page.md'
    page.write_text(
        '```bash\nfor n in 1 2; do\n    python tools/train.py configs/${n}.py --cfg-options \\\n        '
        'a.b=$n\ndone\n```\n'
    )
    assert commands(page, tmp_path) == [
        ['tools/train.py', f'configs/{n}.py', '--cfg-options', f'a.b={n}'] for n in (1, 2)
    ]
    with pytest.raises(AssertionError, match='tools/train.py does not take'):
        arguments(ROOT / 'tools/train.py', ['config.py', '--no-such-flag'])
    (tmp_path / 'config.py').write_text('a = dict(b=1)\nc = [dict(d=1)]\n')
    (tmp_path / 'recipe.py').write_text("stages = [dict(name='a', type='train', config='config.py')]\n")
    assert missing_options(tmp_path / 'config.py', ['a.x', 'c.0.d', 'e.f.g']) == ['e.f.g']
    assert missing_options(tmp_path / 'recipe.py', ['stages.0.options.a.x', 'stages.0.options.e.x']) == [
        'stages.0.options.e.x'
    ]

"""Make an environment in which mmseg_uda runs: what ``make demo`` and ``make test`` do first.

Standard library only::

    python tools/install/environment.py --venv .venv      # create .venv if need be and install the pinned stack into it
    python tools/install/environment.py                   # complete this interpreter's environment, change nothing else

mmcv is installed without its compiled ops (seconds instead of a ten-minute compile); an mmcv-full that is there is
kept. A stamp keyed by the requirement files makes a second call free. What is not ours stays as it is: a folder that
this program did not make is neither cleared nor changed, and an installed mmseg_uda of another clone is replaced only
when ``--replace`` says so (make puts this clone first on the path, so that it works beside the other).
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Optional
from urllib.parse import unquote, urlparse

import torch_wheels

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = [ROOT / 'requirements' / f'{name}.txt' for name in ('torch', 'build', 'runtime', 'tests')]
EXTRAS = ('docs',)
MMCV = '1.7.2'
# Supported ranges of what an existing environment brings along (lowest included, first excluded).
RANGES: dict[str, tuple[tuple[int, int], tuple[int, int] | None]] = {
    'torch': ((2, 0), None),
    'mmsegmentation': ((0, 30), (1, 0)),
    'mmcv': ((1, 7), (1, 8)),
    'mmcv-full': ((1, 7), (1, 8)),
    'setuptools': ((0, 0), (81, 0)),
}
# The first torch that works with NumPy 2; older ones do not say so in their metadata.
NUMPY_2 = (2, 3)
INSTALLED = (
    'import json, re; from importlib import metadata; '
    'print(json.dumps({re.sub("[-_.]+", "-", d.metadata["Name"] or "").lower(): d.version '
    'for d in metadata.distributions()}))'
)
ORIGIN = (
    'from importlib import metadata; '
    'found = [d for d in metadata.distributions() if (d.metadata["Name"] or "").replace("_", "-") == "mmseg-uda"]; '
    'print((found[0].read_text("direct_url.json") or "{}") if found else "")'
)
#: any one of them is OpenCV; two of them own the same files
OPENCV = tuple(f'opencv-{name}' for name in ('python-headless', 'python', 'contrib-python', 'contrib-python-headless'))
#: in every folder that this program made
MARKER = 'made_by_mmseg_uda'
STAMP = 'mmseg_uda_install.stamp'
#: uv's option for the wheels of torch that it looks for: ``cpu``, ``cu126`` ...
BACKEND = '--torch-backend'


def say(message: str) -> None:
    """Print one line at once."""
    print(f'[install] {message}', flush=True)


class Environment:
    """A Python environment, addressed by its interpreter.

    Args:
        python: the interpreter.
        owned: whether this program created it, and may therefore move every package to its pinned version.
    """

    def __init__(self, python: Path, owned: bool) -> None:
        self.python = python.absolute()  # its programs run in other folders; not resolved: a link means its environment
        self.owned = owned

    def run(self, *arguments: str, **environment: str) -> None:
        """Run the interpreter and stop the program with its status if it fails."""
        status = subprocess.call([str(self.python), *arguments], env={**os.environ, **environment})
        if status:
            sys.exit(f'[install] failed: {self.python} {" ".join(arguments)}')

    def pip(self, *arguments: str, **environment: str) -> None:
        """Run ``pip install`` with pip's progress bars."""
        begin = time.monotonic()
        quiet = [] if sys.stdout.isatty() else ['--quiet']  # pip shows its progress bars only when it may talk
        installer = self.uv() if BACKEND in arguments else self.installer()
        command = [*installer, *quiet, *arguments]
        if subprocess.call(command, env={**os.environ, **environment}):
            sys.exit(f'[install] failed: {" ".join(command)}')
        say(f'done in {time.monotonic() - begin:.0f} s')

    def installer(self) -> list[str]:
        """The command that installs into this environment: its pip, else uv, else a pip that comes with Python."""
        pip = [str(self.python), '-m', 'pip', 'install', '--disable-pip-version-check']
        if self.imports('pip'):
            return pip
        if shutil.which('uv') is not None:
            return self.uv()
        if self.imports('ensurepip'):
            say(f'{self.python} has no pip: adding the one that comes with Python')
            self.run('-m', 'ensurepip')
            return pip
        sys.exit(f'[install] {self.python} has neither pip nor ensurepip, and uv is not there: install one of them')

    def uv(self) -> list[str]:
        """uv's command for this environment; uv comes into it where the machine has none."""
        program = shutil.which('uv')
        if program is None and not self.imports('uv'):
            say('uv, which knows where the wheels of torch for every CUDA are')
            self.pip('uv')
        own = [str(self.python), '-m', 'uv'] if program is None else [program]
        return [*own, 'pip', 'install', '--python', str(self.python)]

    def imports(self, module: str) -> bool:
        """Whether a module can be imported."""
        return subprocess.call([str(self.python), '-c', f'import {module}'], stderr=subprocess.DEVNULL) == 0

    def origin(self) -> Optional[str]:
        """Where the installed mmseg_uda comes from: a folder, ``a wheel``, or None when there is none."""
        return origin_of(self.output(ORIGIN))

    def output(self, program: str) -> str:
        """What a program prints that must see the environment alone: not this folder, which holds metadata too."""
        variables = {name: value for name, value in os.environ.items() if name != 'PYTHONPATH'}
        command = [str(self.python), '-c', program]
        with tempfile.TemporaryDirectory() as elsewhere:
            done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, cwd=elsewhere, env=variables)
        return done.stdout

    def keeps_another(self) -> bool:
        """Whether an mmseg_uda that is not this clone is installed; says so."""
        origin = self.origin()
        if origin is None or (origin != 'a wheel' and Path(origin).resolve() == ROOT):
            return False
        say(
            f'{self.python} has mmseg_uda from {origin}, and keeps it. This call of make uses {ROOT}; commands of your '
            'own use it with PYTHONPATH, or after make ... REPLACE=1'
        )
        return True

    def add(self, requirements: list[str], *options: str) -> None:
        """Install ``requirements``; in an environment that this program does not own, no other package changes its
        version."""
        if self.owned:
            return self.pip(*requirements, *options)
        names = {requirement_name(line) for line in requirements}
        kept = [f'{name}=={version}' for name, version in self.installed().items() if name and name not in names]
        with tempfile.TemporaryDirectory() as folder:
            constraints = Path(folder) / 'installed.txt'
            constraints.write_text('\n'.join(kept) + '\n', encoding='utf-8')
            self.pip(*requirements, *options, '--constraint', str(constraints))

    def installed(self) -> dict[str, str]:
        """Return the version of every installed distribution, by normalised name."""
        versions: dict[str, str] = json.loads(self.output(INSTALLED))
        return versions

    def refuse_unsupported(self, present: dict[str, str]) -> None:
        """Stop rather than replace a torch, mmcv or mmseg that the owner of an existing environment chose."""
        for name in ('torch', 'mmcv', 'mmcv-full', 'mmsegmentation'):
            if not self.owned and name in present and not in_range(name, present[name]):
                sys.exit(
                    f'[install] {self.python} has {name} {present[name]}, which mmseg_uda does not support. Use '
                    'an environment of '
                    'its own (call make without PYTHON=), or change the version there yourself'
                )

    def missing(self, file: Path) -> list[str]:
        """Return the lines of a requirement file that this environment has to install.

        Pinned versions in an environment of this program, at most these in another, where they have to suit what is
        there.
        """
        present = self.installed()
        self.refuse_unsupported(present)
        wanted = []
        for line in file.read_text(encoding='utf-8').splitlines():
            requirement = line.split('#')[0].strip()
            if not requirement:
                continue
            name = requirement_name(requirement)
            if name in OPENCV and any(other in present for other in OPENCV if other != name):
                continue
            if self.owned:
                wanted.append(requirement)
            elif name not in present or not in_range(name, present[name]):
                wanted.append(requirement if name in RANGES else at_most(requirement, present.get('torch')))
        return wanted


def requirement_name(requirement: str) -> str:
    """Return the normalised distribution name of a requirement line."""
    name = requirement
    for separator in ';<>=!~[ ':
        name = name.split(separator)[0]
    return name.replace('_', '-').replace('.', '-').lower()


def at_most(requirement: str, torch: str | None) -> str:
    """Return a pinned requirement as an upper bound, for an environment with this version of torch."""
    if torch and requirement_name(requirement) == 'numpy' and numbers(torch) < NUMPY_2:
        return 'numpy<2'
    return requirement.replace('==', '<=', 1) if '==' in requirement.split(';')[0] else requirement


def numbers(version: str) -> tuple[int, ...]:
    """Return major and minor number of a version."""
    return tuple(int(part) for part in version.split('+')[0].split('.')[:2] if part.isdigit())


def in_range(name: str, version: str) -> bool:
    """Return whether an installed version is one that this package supports."""
    if name not in RANGES:
        return True
    lowest, below = RANGES[name]
    return numbers(version) >= lowest and (below is None or numbers(version) < below)


def origin_of(direct_url: str) -> Optional[str]:
    """Where a distribution comes from, by its ``direct_url.json``: '' (not installed), '{}' or a record of PEP 610."""
    if not direct_url.strip():
        return None
    record = json.loads(direct_url)
    if not record.get('dir_info', {}).get('editable'):
        return 'a wheel'
    path = unquote(urlparse(record['url']).path)
    return path[1:] if os.name == 'nt' else path  # /C:/folder


def is_ours(folder: Path) -> bool:
    """Whether this program may fill a folder: it made it, or there is nothing in it."""
    return any((folder / name).is_file() for name in (MARKER, STAMP)) or not any(folder.iterdir())


def create_venv(folder: Path) -> Environment:
    """Return the environment in ``folder``, made with this interpreter if it is not there yet."""
    environment = Environment(folder / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python'), owned=True)
    if folder.exists() and not is_ours(folder):
        sys.exit(
            f'[install] {folder} was not made by this program and stays as it is. To use it without changing the '
            f'versions in it: make PYTHON={environment.python}; for a new one: make VENV=another_folder, or remove it'
        )
    if environment.python.exists() and environment.imports('pip'):
        return environment
    say(f'creating {folder} with Python {sys.version.split()[0]}')
    import venv

    for child in folder.iterdir() if folder.exists() else ():  # what an interrupted call left; the marker stays
        if child.name != MARKER:
            shutil.rmtree(child) if child.is_dir() and not child.is_symlink() else child.unlink()
    folder.mkdir(parents=True, exist_ok=True)
    (folder / MARKER).write_text('tools/install/environment.py made this folder and may clear it\n', encoding='utf-8')
    try:
        venv.create(folder, with_pip=True)
    except subprocess.CalledProcessError as error:
        sys.exit(
            f'[install] Python could not put pip into {folder} (status {error.returncode}). On Debian and Ubuntu: '
            'apt install python3-venv'
        )
    return environment


def stamp(environment: Environment, extras: list[str]) -> tuple[Path, str]:
    """Return the stamp file of an environment and what it must hold."""
    digest = hashlib.sha256()
    files = [*REQUIREMENTS, *(ROOT / 'requirements' / f'{name}.txt' for name in extras)]
    for file in (
        *files,
        ROOT / 'setup.py',
        ROOT / 'mmseg_uda' / 'version.py',
        *sorted(Path(__file__).parent.glob('*.py')),
    ):
        digest.update(file.read_bytes())
    digest.update(str(ROOT).encode())
    name = '_'.join(['mmseg_uda_install', *extras])
    if environment.owned:
        return environment.python.parent.parent / f'{name}.stamp', digest.hexdigest()
    wanted = {requirement_name(line) for file in files for line in file.read_text(encoding='utf-8').splitlines()}
    relevant = {*wanted, *OPENCV, 'mmcv', 'mmcv-full', 'mmseg-uda'}
    present = {name: version for name, version in environment.installed().items() if name in relevant}
    digest.update(json.dumps(present, sort_keys=True).encode())
    key = hashlib.sha256(str(environment.python).encode()).hexdigest()[:16]
    return ROOT / '.cache' / f'{name}_{key}.stamp', digest.hexdigest()


def torch_options() -> list[str]:
    """The options of the installer for torch: what TORCH_WHEELS or TORCH_INDEX_URL say, else what suits this machine.

    Where another index than pip's own suits better, a user at a terminal is asked; elsewhere pip's own is taken, and
    what to call instead is printed.
    """
    url, tag = os.environ.get('TORCH_INDEX_URL'), os.environ.get('TORCH_WHEELS')
    if url:
        say('torch from the index that TORCH_INDEX_URL names')
        return ['--index-url', url]
    if tag:
        say(f'torch for {tag}, as TORCH_WHEELS says')
    else:
        offer = torch_wheels.choice(platform.system(), platform.machine(), torch_wheels.driver())
        say(f'which torch: {offer.reason}')
        if offer.tag and sys.stdin.isatty():
            answer = input(f'[install] take the wheels of torch for {offer.tag}? [Y/n] ')
            tag = None if answer.strip().lower().startswith('n') else offer.tag
        elif offer.tag:
            say(f'the usual torch all the same; make ... TORCH_WHEELS={offer.tag} takes the wheels for {offer.tag}')
    return [BACKEND, tag] if tag and tag != 'default' else []


def install(environment: Environment, extras: list[str], itself: bool) -> None:
    """Bring an environment to the state that the tests and the demo need.

    Args:
        environment: what is filled.
        extras: names of further requirement files.
        itself: whether mmseg_uda is installed, too.
    """
    torch, build, runtime, tests = (environment.missing(file) for file in REQUIREMENTS)
    more = [line for name in extras for line in environment.missing(ROOT / 'requirements' / f'{name}.txt')]
    if torch:
        index = torch_options()
        say('torch and torchvision (the largest download)')
        environment.add(torch, *index)
    if build:
        say('what mmcv needs to be built')
        environment.add(build)
    present = environment.installed()
    mmcv = present.get('mmcv-full') or present.get('mmcv')
    if mmcv is None or (environment.owned and mmcv != MMCV):
        say(f'mmcv {MMCV} without compiled ops')
        environment.pip('--no-build-isolation', '--no-deps', f'mmcv=={MMCV}', MMCV_WITH_OPS='0')
    if runtime or tests or more:
        say(' and '.join(['mmsegmentation, the other libraries and the test tools', *extras]))
        environment.add(runtime + tests + more)
    if itself:
        say('mmseg_uda in editable mode')
        environment.pip('--no-build-isolation', '--no-deps', '--editable', str(ROOT))
    say('checking that everything imports')
    environment.run('-c', 'import mmseg_uda, mmseg.models, timm', PYTHONPATH=str(ROOT))


def main() -> None:
    """Set up what the command line asks for, unless the stamp says that it is done."""
    if sys.version_info < (3, 9):
        sys.exit(
            f'mmseg_uda needs Python 3.9 or newer, this is {sys.version.split()[0]}: make BASE_PYTHON=python3.11 ...'
        )
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--venv', type=Path, help='create and fill this virtual environment instead of the one of this interpreter'
    )
    parser.add_argument(
        '--with', dest='extras', choices=EXTRAS, action='append', default=[], help='further requirements'
    )
    parser.add_argument(
        '--replace', action='store_true', help='let this clone take the place of another mmseg_uda that is installed'
    )
    arguments = parser.parse_args()
    environment = create_venv(arguments.venv) if arguments.venv else Environment(Path(sys.executable), owned=False)
    itself = environment.owned or arguments.replace or not environment.keeps_another()
    file, state = stamp(environment, arguments.extras)
    known = file.exists() and file.read_text(encoding='utf-8').strip() == state
    if known and not arguments.replace and (environment.owned or environment.origin()):
        return
    begin = time.monotonic()
    install(environment, arguments.extras, itself)
    file, state = stamp(environment, arguments.extras)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(state + '\n', encoding='utf-8')
    say(f'ready after {time.monotonic() - begin:.0f} s: {environment.python}')


if __name__ == '__main__':
    main()

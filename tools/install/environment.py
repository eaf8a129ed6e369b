"""Make an environment in which mmseg_uda runs: what ``make demo`` and ``make test`` do first.

Standard library only::

    python tools/install/environment.py --venv .venv      # create .venv if need be and install the pinned stack into it
    python tools/install/environment.py                   # complete this interpreter's environment, change nothing else

mmcv is installed without its compiled ops (seconds instead of a ten-minute compile); an mmcv-full that is there is
kept. A stamp keyed by the requirement files makes a second call free.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
REQUIREMENTS = [ROOT / 'requirements' / f'{name}.txt' for name in ('torch', 'build', 'runtime', 'tests')]
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
        self.python = python
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
        self.run('-m', 'pip', 'install', '--disable-pip-version-check', *quiet, *arguments, **environment)
        say(f'done in {time.monotonic() - begin:.0f} s')

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
        output = subprocess.run([str(self.python), '-c', INSTALLED], check=True, stdout=subprocess.PIPE).stdout
        versions: dict[str, str] = json.loads(output)
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


def create_venv(folder: Path) -> Environment:
    """Return the environment in ``folder``, made with this interpreter if it is not there yet."""
    python = folder / ('Scripts/python.exe' if os.name == 'nt' else 'bin/python')
    works = python.exists() and subprocess.call([str(python), '-c', 'import pip'], stderr=subprocess.DEVNULL) == 0
    if not works:
        say(f'creating {folder} with Python {sys.version.split()[0]}')
        import venv

        venv.create(folder, with_pip=True, clear=folder.exists())
    return Environment(python, owned=True)


def stamp(environment: Environment) -> tuple[Path, str]:
    """Return the stamp file of an environment and what it must hold."""
    digest = hashlib.sha256()
    for file in (*REQUIREMENTS, ROOT / 'setup.py', ROOT / 'mmseg_uda' / 'version.py', Path(__file__)):
        digest.update(file.read_bytes())
    digest.update(str(ROOT).encode())
    if environment.owned:
        return environment.python.parent.parent / 'mmseg_uda_install.stamp', digest.hexdigest()
    digest.update(json.dumps(environment.installed(), sort_keys=True).encode())
    name = hashlib.sha256(str(environment.python).encode()).hexdigest()[:16]
    return ROOT / '.cache' / f'install_{name}.stamp', digest.hexdigest()


def install(environment: Environment) -> None:
    """Bring an environment to the state that the tests and the demo need."""
    torch, build, runtime, tests = (environment.missing(file) for file in REQUIREMENTS)
    index = os.environ.get('TORCH_INDEX_URL')
    if torch:
        say('torch and torchvision (the largest download)' + (f' from {index}' if index else ''))
        environment.add(torch, *(['--index-url', index] if index else []))
    if build:
        say('what mmcv needs to be built')
        environment.add(build)
    present = environment.installed()
    mmcv = present.get('mmcv-full') or present.get('mmcv')
    if mmcv is None or (environment.owned and mmcv != MMCV):
        say(f'mmcv {MMCV} without compiled ops')
        environment.pip('--no-build-isolation', '--no-deps', f'mmcv=={MMCV}', MMCV_WITH_OPS='0')
    if runtime or tests:
        say('mmsegmentation, the other libraries and the test tools')
        environment.add(runtime + tests)
    say('mmseg_uda in editable mode')
    environment.pip('--no-build-isolation', '--no-deps', '--editable', str(ROOT))
    say('checking that everything imports')
    environment.run('-c', 'import mmseg_uda, mmseg.models, timm')


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
    arguments = parser.parse_args()
    environment = create_venv(arguments.venv) if arguments.venv else Environment(Path(sys.executable), owned=False)
    file, state = stamp(environment)
    if file.exists() and file.read_text(encoding='utf-8').strip() == state:
        return
    begin = time.monotonic()
    install(environment)
    file, state = stamp(environment)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(state + '\n', encoding='utf-8')
    say(f'ready after {time.monotonic() - begin:.0f} s')


if __name__ == '__main__':
    main()

"""Build, check and install mmcv-full 1.7.2 (mmcv with its compiled ops) for the torch of this interpreter.

Needs nothing but the standard library, pip and an installed torch; run it with the interpreter that will use the
result::

    python tools/install/mmcv_full.py wheel          # print the path of a working wheel, building it if there is none
    python tools/install/mmcv_full.py unpack DIR     # unpack it into DIR, to be put first on PYTHONPATH
    python tools/install/mmcv_full.py install        # install it in place of mmcv without ops

A build takes about ten minutes on two cores, hence the cache
``${XDG_CACHE_HOME:-~/.cache}/mmseg_uda/wheels/<python>-<torch version>/``. CUDA is hidden from the build: the ops run
on the CPU, and neither a CUDA toolkit nor a matching compiler is needed.
"""

from __future__ import annotations

import argparse
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
import zipfile
from importlib import metadata
from pathlib import Path

VERSION = '1.7.2'
BUILD_TOOLS = ('setuptools', 'wheel', 'ninja')
IMPORT_CHECK = (
    'import torch, mmcv._ext, warnings; warnings.simplefilter("ignore"); from mmcv.ops import nms; '
    'boxes = torch.tensor([[0., 0., 4., 4.], [0., 0., 4., 3.9], [8., 8., 9., 9.]]); '
    'assert nms(boxes, torch.tensor([.9, .8, .7]), 0.5)[1].tolist() == [0, 2]; print(mmcv._ext.__file__)'
)


def say(message: str, end: str = '\n') -> None:
    """Print progress to stderr, for stdout carries the result."""
    print(message, end=end, file=sys.stderr, flush=True)


def cache_folder() -> Path:
    """Return the wheel folder of this Python and this torch."""
    try:
        torch_version = metadata.version('torch')
    except metadata.PackageNotFoundError:
        sys.exit(
            'mmcv-full is compiled against torch, which is not installed here: pip install -r requirements/torch.txt'
        )
    root = Path(os.environ.get('XDG_CACHE_HOME') or Path.home() / '.cache')
    return root / 'mmseg_uda' / 'wheels' / f'cp{sys.version_info[0]}{sys.version_info[1]}-{torch_version}'


def unpack(wheel: Path, folder: Path) -> None:
    """Unpack a wheel so that ``folder`` can stand on PYTHONPATH."""
    with zipfile.ZipFile(wheel) as archive:
        archive.extractall(folder)


def loads(wheel: Path) -> bool:
    """Return whether the ops of the wheel load and run with the installed torch; otherwise say why."""
    with tempfile.TemporaryDirectory(prefix='mmcv_full_') as folder:
        try:
            unpack(wheel, Path(folder))
        except (OSError, zipfile.BadZipFile) as error:
            say(f'{wheel.name} is broken: {error}')
            return False
        result = subprocess.run(
            [sys.executable, '-c', IMPORT_CHECK],
            cwd=folder,
            env={**os.environ, 'PYTHONPATH': folder},
            capture_output=True,
            text=True,
        )
    if result.returncode or not result.stdout.strip().startswith(os.path.realpath(folder)):
        say(f'{wheel.name} does not work with this torch:\n{result.stderr[-2000:]}')
        return False
    return True


def build_command(target: Path) -> tuple[list[str], dict[str, str]]:
    """Return the pip command that builds the wheel into ``target``, and its environment."""
    environment = {
        **os.environ,
        'MMCV_WITH_OPS': '1',
        'FORCE_CUDA': '0',
        'CUDA_VISIBLE_DEVICES': '',
        'MAX_JOBS': os.environ.get('MAX_JOBS', str(os.cpu_count() or 1)),
        'PATH': os.pathsep.join([str(Path(sys.executable).parent), os.environ.get('PATH', '')]),
    }
    command = [
        sys.executable,
        '-m',
        'pip',
        'wheel',
        '--verbose',
        '--no-deps',
        '--no-build-isolation',
        '--no-cache-dir',
        '--no-binary',
        'mmcv-full',
        '--wheel-dir',
        str(target),
        f'mmcv-full=={VERSION}',
    ]
    return command, environment


def follow(process: subprocess.Popen[str], log: Path) -> int:
    """Write the output of a build to ``log`` and show how far ninja got; return the exit status."""
    begin, shown = time.monotonic(), -1
    assert process.stdout is not None
    with log.open('w') as stream:
        for line in process.stdout:
            stream.write(line)
            progress = re.search(r'\[(\d+)/(\d+)\]', line)
            if progress is None:
                continue
            done, total = map(int, progress.groups())
            percent = 100 * done // total
            if sys.stderr.isatty():
                say(f'\r  compiling mmcv-full: {done}/{total} files, {time.monotonic() - begin:.0f} s ', end='')
            elif percent // 10 > shown // 10:
                say(f'  compiling mmcv-full: {done}/{total} files, {time.monotonic() - begin:.0f} s')
            shown = percent
    if sys.stderr.isatty():
        say('')
    return process.wait()


def build(folder: Path) -> Path:
    """Build the wheel and move it into ``folder``, where it appears only when it is whole."""
    folder.mkdir(parents=True, exist_ok=True)
    log = folder / 'build.log'
    missing = [name for name in BUILD_TOOLS if not installed(name) and not (name == 'ninja' and shutil.which('ninja'))]
    if missing or int(metadata.version('setuptools').split('.')[0]) >= 81:
        tools = [*missing, 'setuptools<81']  # mmcv's setup.py imports pkg_resources, which newer ones no longer have
        subprocess.run([sys.executable, '-m', 'pip', 'install', '--quiet', *tools], check=True)
    say(f'Building mmcv-full {VERSION} for {folder.name} (about 10 minutes on 2 cores, once; log: {log})')
    with tempfile.TemporaryDirectory(dir=folder, prefix='build_') as target:
        command, environment = build_command(Path(target))
        process = subprocess.Popen(
            command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        status = follow(process, log)
        built = list(Path(target).glob('mmcv_full-*.whl'))
        if status or not built:
            sys.exit(f'Building mmcv-full failed; the end of {log}:\n' + '\n'.join(log.read_text().splitlines()[-30:]))
        wheel = folder / built[0].name
        os.replace(built[0], wheel)
    return wheel


def installed(name: str) -> bool:
    """Return whether a distribution is installed for this interpreter."""
    try:
        metadata.version(name)
    except metadata.PackageNotFoundError:
        return False
    return True


def working_wheel() -> Path:
    """Return a wheel that loads with the installed torch: the cached one, or a new one where that is missing or
    broken."""
    folder = cache_folder()
    for wheel in sorted(folder.glob(f'mmcv_full-{VERSION}-*.whl')):
        if loads(wheel):
            return wheel
        wheel.unlink()
    wheel = build(folder)
    if not loads(wheel):
        sys.exit(f'The wheel that was just built does not load; see {folder / "build.log"}')
    return wheel


def main() -> None:
    """Parse the command line and run the chosen step."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('step', choices=('wheel', 'unpack', 'install'))
    parser.add_argument('folder', nargs='?', type=Path, help='target of "unpack"')
    arguments = parser.parse_args()
    if (arguments.step == 'unpack') != (arguments.folder is not None):
        parser.error('"unpack" takes a folder, the other steps take none')
    wheel = working_wheel()
    if arguments.step == 'wheel':
        print(wheel)
    elif arguments.step == 'unpack':
        shutil.rmtree(arguments.folder, ignore_errors=True)
        unpack(wheel, arguments.folder)
        say(f'{wheel.name} unpacked into {arguments.folder}')
    else:
        subprocess.run([sys.executable, '-m', 'pip', 'uninstall', '--yes', '--quiet', 'mmcv'], check=True)
        subprocess.run(
            [sys.executable, '-m', 'pip', 'install', '--quiet', '--force-reinstall', '--no-deps', str(wheel)],
            check=True,
        )
        say(f'{wheel.name} installed')


if __name__ == '__main__':
    main()

"""Which wheels of torch suit a machine. Standard library only; see :func:`choice`."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import NamedTuple, Optional

#: the first Linux drivers that run CUDA 13, with which the torch of PyPI is built, and CUDA 12
CUDA_13_DRIVER, CUDA_12_DRIVER = 580, 525


class Choice(NamedTuple):
    """What ``uv pip install --torch-backend`` is given (None: the usual wheels), and the reason in one sentence."""

    tag: Optional[str]
    reason: str


def choice(system: str, machine: str, driver: Optional[int]) -> Choice:
    """The wheels that suit a machine.

    Args:
        system: as ``platform.system()`` says it.
        machine: as ``platform.machine()`` says it.
        driver: major number of the NVIDIA driver; None without one.
    """
    if system == 'Darwin':
        return Choice(None, 'macOS: its wheels have no CUDA')
    if machine.lower() not in ('x86_64', 'amd64'):
        return Choice(None, f'{machine}: the usual wheels')
    if driver is None:
        if system == 'Windows':
            return Choice(None, 'no NVIDIA driver: the usual wheels for Windows have no CUDA')
        return Choice('cpu', 'no NVIDIA driver: wheels without CUDA do, and are several GB smaller')
    if driver < CUDA_12_DRIVER:
        return Choice('cpu', f'the NVIDIA driver {driver} is too old for CUDA 12 (it needs {CUDA_12_DRIVER} or newer)')
    if driver < CUDA_13_DRIVER:
        return Choice(
            'cu126',
            f'the NVIDIA driver {driver} runs CUDA 12; the usual wheels need CUDA 13 ({CUDA_13_DRIVER} or newer)',
        )
    if system == 'Windows':
        return Choice('cu130', 'the usual wheels for Windows have no CUDA')
    return Choice(None, f'the NVIDIA driver {driver} runs the usual wheels')


def major(version: str) -> Optional[int]:
    """Major number of the first driver version in a text, such as ``535.183.01``; None without one."""
    found = re.search(r'\b(\d{3,})\.\d+', version)
    return int(found[1]) if found else None


def driver() -> Optional[int]:
    """Major number of this machine's NVIDIA driver; None without one."""
    loaded = Path('/proc/driver/nvidia/version')
    if loaded.is_file():
        return major(loaded.read_text(encoding='utf-8'))
    program = shutil.which('nvidia-smi')
    if program is None:
        return None
    command = [program, '--query-gpu=driver_version', '--format=csv,noheader']
    return major(subprocess.run(command, capture_output=True, text=True).stdout)

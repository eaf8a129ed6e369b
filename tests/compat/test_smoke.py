"""The few seconds of the suite that also run on mmcv-full (``make smoke-full``), where the real compiled ops must be
in use."""

from __future__ import annotations

import os

import pytest
import torch
from mmcv import ConfigDict
from mmseg.models import build_segmentor

from mmseg_uda.compat import MissingCompiledOpError, compiled_ops_available
from tests.harness.methods import Setup
from tests.harness.synthetic import SIZE, tiny_model

pytestmark = pytest.mark.smoke


def test_the_expected_mmcv_is_in_use():
    assert compiled_ops_available() or not os.environ.get('MMSEG_UDA_EXPECT_COMPILED_OPS'), (
        'mmcv-full was put on PYTHONPATH, but the stand-in for its compiled ops is in use'
    )


def test_an_op_computes_with_the_extension_and_explains_itself_without():
    from mmcv.ops import nms

    boxes = torch.tensor([[0.0, 0.0, 4.0, 4.0], [0.0, 0.0, 4.0, 3.9], [8.0, 8.0, 9.0, 9.0]])
    scores = torch.tensor([0.9, 0.8, 0.7])
    if compiled_ops_available():
        assert nms(boxes, scores, 0.5)[1].tolist() == [0, 2]
    else:
        with pytest.raises(MissingCompiledOpError, match="'nms'"):
            nms(boxes, scores, 0.5)


def test_the_focal_loss_that_needs_no_op_works_either_way():
    from mmseg.models.losses import FocalLoss

    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = FocalLoss()(logits, torch.zeros(2, 4, 4, dtype=torch.long))
    loss.backward()
    assert torch.isfinite(loss) and logits.grad.abs().sum() > 0


def test_a_segmentor_is_built_and_predicts():
    segmentor = build_segmentor(ConfigDict(tiny_model())).eval()
    metas = [dict(ori_shape=(*SIZE, 3), img_shape=(*SIZE, 3), pad_shape=(*SIZE, 3), flip=False)]
    with torch.no_grad():
        result = segmentor([torch.zeros(1, 3, *SIZE)], [metas], return_loss=False)
    assert result[0].shape == SIZE


def test_a_training_step_changes_the_student():
    setup = Setup(None, ('source',))
    method, step = setup.build()
    before = {name: value.clone() for name, value in method.student.state_dict().items()}
    step([setup.data.batch(range(2))], 0)
    assert torch.isfinite(torch.tensor(list(step.flush()[0].values()))).all()
    assert any(not torch.equal(value, before[name]) for name, value in method.student.state_dict().items())

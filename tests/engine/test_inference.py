"""Batched inference gives what MMSeg's own gives."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmcv import ConfigDict
from mmseg.models import build_segmentor
from mmseg.models.segmentors import EncoderDecoder

from mmseg_uda.engine.inference import BatchedWindows, DirectLabels, inference_mode
from mmseg_uda.engine.predictions import PredictionWriter, colorize
from tests.harness.synthetic import tiny_model
from tests.models.networks import hrda_config

META = [dict(ori_shape=(40, 70, 3), img_shape=(40, 70, 3), flip=False)]


@pytest.mark.parametrize('windows', [1, 3, 100])
@pytest.mark.parametrize('size', [(40, 70), (20, 30)])
def test_batched_windows_equal_mmseg_slide_inference(windows: int, size: tuple[int, int]) -> None:
    torch.manual_seed(0)
    model = build_segmentor(
        ConfigDict(tiny_model(test_cfg=dict(mode='slide', crop_size=(32, 32), stride=(20, 20))))
    ).eval()
    img = torch.randn(1, 3, *size)
    meta = [dict(ori_shape=(*size, 3), img_shape=(*size, 3), flip=False)]
    with torch.no_grad():
        expected = model.inference(img, meta, True)
    with inference_mode(model, torch.device('cpu'), windows_per_batch=windows):
        actual = model.inference(img, meta, True)
    torch.testing.assert_close(actual, expected, rtol=1e-4, atol=1e-6)
    assert type(model) is EncoderDecoder


@pytest.mark.parametrize('kind', ['EncoderDecoder', 'HRDAEncoderDecoder'])
def test_windows_may_average_probabilities(kind: str) -> None:
    slide = dict(mode='slide', crop_size=(32, 32), stride=(32, 20), average='probabilities')
    torch.manual_seed(0)
    hrda = kind == 'HRDAEncoderDecoder'
    model = build_segmentor(ConfigDict(hrda_config(16, 5, slide) if hrda else tiny_model(test_cfg=slide))).eval()
    img = torch.randn(1, 3, 32, 52)
    meta = [dict(ori_shape=(32, 52, 3), img_shape=(32, 52, 3), flip=False)]
    with inference_mode(model, torch.device('cpu')):
        windows = [model.encode_decode(img[..., left : left + 32], meta).softmax(1) for left in (0, 20)]
        averaged = model.inference(img, meta, True)
    expected = torch.cat(
        [windows[0][..., :20], (windows[0][..., 20:] + windows[1][..., :12]) / 2, windows[1][..., 12:]], 3
    )
    torch.testing.assert_close(averaged, expected, rtol=1e-4, atol=1e-6)
    model.test_cfg.mode = 'whole'
    with pytest.raises(ValueError, match="average='probabilities' is for the overlapping windows"):
        with inference_mode(model, torch.device('cpu')):
            pass


class OwnWindows(EncoderDecoder):
    """A user's segmentor with sliding windows of its own."""

    def slide_inference(self, img: torch.Tensor, img_meta: Any, rescale: bool) -> torch.Tensor:
        return img.new_zeros(1, 5, 40, 70)


def test_a_segmentor_keeps_what_it_does_in_its_own_way() -> None:
    cfg = tiny_model(test_cfg=dict(mode='slide', crop_size=(32, 32), stride=(20, 20)))
    model = OwnWindows(**{key: value for key, value in ConfigDict(cfg).items() if key != 'type'})
    img = torch.randn(1, 3, 40, 70)
    with inference_mode(model, torch.device('cpu')):
        assert type(model).__name__ == 'OwnWindows' and isinstance(model, DirectLabels)
        assert not isinstance(model, BatchedWindows)
        assert (model.simple_test(img, META)[0] == 0).all()
    assert type(model) is OwnWindows


def test_autocast_predicts_the_same_classes_and_mode_comes_back() -> None:
    torch.manual_seed(0)
    model = build_segmentor(ConfigDict(tiny_model())).train()
    img = torch.randn(1, 3, 40, 70)
    with inference_mode(model, torch.device('cpu'), 'bf16'):
        half = model.simple_test(img, META)[0]
        assert not model.training
    with inference_mode(model, torch.device('cpu')):
        full = model.simple_test(img, META)[0]
    assert model.training and (half == full).mean() > 0.95


def test_server_files_hold_label_ids_and_train_ids(tmp_path: Path) -> None:
    prediction = np.arange(19).reshape(1, 19)
    city = PredictionWriter(tmp_path / 'city', 'cityscapes').write(prediction, 'a/x_leftImg8bit.png')
    acdc = PredictionWriter(tmp_path / 'acdc', 'acdc').write(prediction, 'a/y_rgb_anon.png')
    assert city.name == 'x_leftImg8bit.png' and acdc.name == 'y_rgb_anon.png'
    assert cv2.imread(str(city), cv2.IMREAD_UNCHANGED)[0, [0, 1, 18]].tolist() == [7, 8, 33]
    assert cv2.imread(str(acdc), cv2.IMREAD_UNCHANGED)[0].tolist() == list(range(19))


def test_predictions_of_equal_names_do_not_overwrite_each_other(tmp_path: Path) -> None:
    writer = PredictionWriter(tmp_path, 'train_ids')
    writer.write(np.zeros((2, 2)), 'a/x.png')
    writer.write(np.zeros((2, 2)), 'a/x.png')
    with pytest.raises(ValueError, match="'b/x.png' and 'a/x.png' have the same name"):
        writer.write(np.zeros((2, 2)), 'b/x.png')


def test_ignored_pixels_are_black() -> None:
    assert colorize(np.array([[0, 255]]), [[9, 8, 7]]).tolist() == [[[9, 8, 7], [0, 0, 0]]]

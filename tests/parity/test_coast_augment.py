"""Strong augmentation, soft labels and the repeated optimiser of CoaST against the released code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from mmseg_uda.datasets.rand_augment import (
    Draws,
    Operation,
    apply_operation,
    augment_image,
    cut_box,
    recorded_parameters,
)
from mmseg_uda.datasets.soft_labels import resize_soft_label
from mmseg_uda.engine.repeated_sgd import RepeatedSGD
from mmseg_uda.ops.label_warp import GEOMETRIC_OPS

from .golden import load
from .test_coast import Vectors, close, family

GREY_LEVEL = 1


def _close_images(actual: Any, expected: np.ndarray, what: str = '') -> None:
    assert np.abs(np.asarray(actual).astype(int) - expected).max() <= GREY_LEVEL, what


@family('randaug_ops*.npz')
def test_single_operations(path: Path) -> None:
    data = load(path)
    image = Image.fromarray(data['image'])
    for key in data['keys']:
        name, strength, sign = str(key).split('_')
        operation = Operation(name, int(strength[1:]), negate=sign == 'neg1')
        _close_images(apply_operation(image, operation), data[f'out_{key}'], key)
        expected = data[f'par_{key}']
        np.testing.assert_allclose(operation.value(*image.size), np.nan_to_num(expected), err_msg=key)


def _draws(data: Vectors) -> Draws:
    columns = (data[f'd_{name}'] for name in ('ops', 'v', 'applied', 'negate'))
    operations = tuple(
        Operation(str(name), int(v), bool(applied), bool(negate)) for name, v, applied, negate in zip(*columns)
    )
    return Draws(bool(data['d_hflip']), operations, (float(data['d_cut_xy'][0]), float(data['d_cut_xy'][1])))


@family('randaug_full*.npz')
def test_whole_augmentation(path: Path) -> None:
    data = load(path)
    draws = _draws(data)
    _close_images(augment_image(data['image'], draws), data['out'])
    height, width = data['image'].shape[:2]
    flip, params, box = recorded_parameters(draws, width, height)
    assert flip.tolist() == data['p_hflip'].tolist()
    np.testing.assert_array_equal(box, data['p_cutout'])
    assert tuple(box[:, 0].tolist()) == cut_box(draws.centre, width, height)
    for name in GEOMETRIC_OPS:
        np.testing.assert_allclose(params[name], data[f'p_{name.lower()}'], err_msg=name)


@family('weak_aug*.npz')
def test_soft_labels_go_through_the_weak_augmentation(path: Path) -> None:
    data = load(path)
    if 'lpsoft' not in data:  # a family may hold cases without soft labels
        return
    whole = resize_soft_label(data['lpsoft'].transpose(1, 2, 0), data['image'].shape[1::-1])
    scaled = resize_soft_label(whole, data['resized_hw'][::-1])
    top, bottom, left, right = data['crop_y0y1x0x1']
    cropped = scaled[top:bottom, left:right][:, :: -1 if data['flip'] else 1]
    close(torch.from_numpy(cropped.transpose(2, 0, 1).copy()), data['out_lpsoft'], atol=1e-5)


@family('sgd_duplicates*.npz')
def test_repeated_sgd(path: Path) -> None:
    data = load(path)
    parameter = torch.nn.Parameter(torch.from_numpy(data['p0'].copy()))
    options = {name: float(data[name]) for name in ('lr', 'momentum', 'weight_decay')}
    optimizer = RepeatedSGD([parameter], repeats=int(data['k']), **options)
    for grad, expected in zip(data['grads'], data['params']):
        parameter.grad = torch.from_numpy(grad.copy())
        optimizer.step()
        close(parameter, expected)

"""Parity of DSTC's network, optimiser, preprocessing, augmentation and metric with the published implementation."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest
import torch
from mmcv import Config
from mmseg.core.evaluation.metrics import intersect_and_union
from mmseg.datasets.custom import CustomDataset
from mmseg.models import build_segmentor
from mmseg.models.backbones.resnet import Bottleneck
from torch import Tensor, nn

import mmseg_uda  # noqa: F401
from mmseg_uda.compat.keys_advent import ours_to_advent, without_scale
from mmseg_uda.compat.keys_dstc import PREFIX, ours_to_dstc
from mmseg_uda.components.photometric import PhotometricDistortion8Bit
from mmseg_uda.datasets import label_spaces
from mmseg_uda.datasets.pipeline_config import flattened
from mmseg_uda.datasets.pipelines import ExactResize
from mmseg_uda.engine.evaluation import score_results
from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.engine.repeated_sgd import RepeatedSGD
from mmseg_uda.models.backbones.advent_resnet import AdventResNet
from mmseg_uda.models.pretrained import OPTIONAL_SUFFIX
from mmseg_uda.ops import photometric
from mmseg_uda.ops.normalize import normalize_on_device
from mmseg_uda.utils.rng import StepRng
from tests.parity.golden import golden_files, load

CONFIG = Path(__file__).parents[2] / 'configs/dstc/gta_to_cityscapes_100labels_deeplabv2_r101.py'
NORM = dict(mean=[104.00698793, 116.66876762, 122.67891434], std=[1.0, 1.0, 1.0], to_rgb=False)


def vectors(pattern: str) -> Any:
    files = golden_files('dstc', pattern)
    return pytest.mark.parametrize('path', files, ids=[path.stem for path in files])


def build_network(blocks: tuple[int, ...], num_classes: int) -> nn.Module:
    """The network of the published configs with so many bottlenecks per stage, without pretrained weights."""
    model = Config.fromfile(str(CONFIG)).model
    model.pretrained, model.backbone.depth, model.decode_head.num_classes = None, 0, num_classes
    with mock.patch.dict(AdventResNet.arch_settings, {0: (Bottleneck, blocks)}):
        return build_segmentor(model)


def formula_weight(index: int, like: Tensor, name: str) -> Tensor:
    """The value of a convolution's weight by the integer formula of the vectors."""
    bits = np.uint64(2**32 - 1)
    h = (
        np.arange(like.numel(), dtype=np.uint64) * np.uint64(2654435761) + np.uint64((index + 1) * 40503 * 65599)
    ) & bits
    for _ in range(2):
        h = ((h ^ (h >> np.uint64(16))) * np.uint64(0x45D9F3B)) & bits
    h ^= h >> np.uint64(16)
    value = np.sqrt(6 / np.prod(like.shape[1:])) * (h.astype(np.float64) / 2**31 - 1)
    return torch.from_numpy(value * (0.1 if name.startswith('layer6') else 1)).view(like.shape)


@vectors('deeplabv2_*.npz')
def test_deeplabv2(path: Path) -> None:
    d = load(path)
    names = [str(name) for name in d['param_names']]
    network = build_network(tuple(d['layers'].tolist()), int(d['num_classes'])).double()
    state = {key[len(PREFIX) :]: value for key, value in ours_to_dstc(network.state_dict()).items()}
    assert {key for key in state if not key.endswith(OPTIONAL_SUFFIX)} == set(names)
    for index, name in enumerate(names):
        if state[name].dim() == 4:
            state[name].copy_(formula_weight(index, state[name], name))
        elif name.startswith('layer6'):
            state[name].copy_(torch.linspace(-0.1, 0.1, len(state[name])))
    frozen = [key for key, value in ours_to_advent(dict(network.named_parameters())).items() if not value.requires_grad]
    assert sorted(frozen) == sorted(d['frozen_param_names'])

    x, found = torch.from_numpy(d['x']).double(), {}
    with torch.no_grad():
        for mode in ('logits_train', 'logits_eval_after_one_train_pass'):
            network.train(mode == 'logits_train')
            found[mode] = network.decode_head(network.extract_feat(x)).numpy()
    np.testing.assert_allclose(found['logits_train'], d['logits_train'], rtol=0, atol=2e-4)
    name = 'logits_eval_after_one_train_pass'
    np.testing.assert_allclose(found[name], d[name], rtol=1e-4, atol=1e-3)
    statistics = network.backbone.layer4[0].bn2
    for kind in ('running_mean', 'running_var'):
        np.testing.assert_allclose(getattr(statistics, kind).numpy(), d[f'layer4_0_bn2_{kind}'], rtol=1e-4, atol=1e-5)


@vectors('param_groups_*.npz')
def test_parameter_groups(path: Path) -> None:
    d = load(path)
    blocks = [
        {name.split('.')[1] for name in d['backbone_names'] if name.startswith(f'layer{stage}.')}
        for stage in range(1, 5)
    ]
    with torch.device('meta'):
        network = build_network(tuple(len(stage) for stage in blocks), num_classes=19)
    optimizer = build_optimizers(Config.fromfile(str(CONFIG)).optimizer, {'segmentor': network})['segmentor']
    assert isinstance(optimizer, RepeatedSGD)
    groups = {
        id(param): (group['lr'], group['repeats']) for group in optimizer.param_groups for param in group['params']
    }
    named = ours_to_advent(dict(network.named_parameters()))
    expected = {str(name): (2.5e-4, int(times)) for name, times in zip(d['backbone_names'], d['backbone_repeats'])}
    expected.update({str(name): (2.5e-3, 1) for name in d['head_names']})
    found = {name: groups[id(param)] for name, param in named.items() if id(param) in groups}
    assert found == {name: (pytest.approx(lr), times) for name, (lr, times) in expected.items()}
    assert set(named) - set(found) == {str(name) for name in d['never_optimised']}


@vectors('sgd_repeats_*.npz')
def test_optimiser_with_repeated_parameters(path: Path) -> None:
    d = load(path)
    options = {key: float(d[key]) for key in ('lr', 'momentum', 'weight_decay')}
    often, once = (nn.Parameter(torch.from_numpy(d['p0'].copy())) for _ in range(2))
    optimizer = RepeatedSGD([dict(params=[often], repeats=int(d['repeats'])), dict(params=[once])], **options)
    for grad, *expected in zip(d['grads'], d['trajectory'], d['trajectory_without_repeats']):
        often.grad = once.grad = torch.from_numpy(grad)
        optimizer.step()
        for param, value in zip((often, once), expected):
            np.testing.assert_allclose(param.detach().numpy(), value, rtol=0, atol=1e-12)


@vectors('pretrained_keys*.npz')
def test_keys_of_the_pretrained_file(path: Path) -> None:
    d = {key: [str(name) for name in value] for key, value in load(path).items()}
    file = {key: torch.tensor(float(i)) for i, key in enumerate(d['file_keys'])}
    used = without_scale(file)
    assert set(used) == set(d['loaded_model_keys'])
    assert {key for key in file if not any(used[name] is file[key] for name in used)} == set(d['ignored_file_keys'])
    heads = ('layer5.', 'layer6.')
    assert all(key.startswith(heads) or key.endswith(OPTIONAL_SUFFIX) for key in d['untouched_model_keys'])


@vectors('preprocess_*.npz')
def test_preprocessing(path: Path) -> None:
    d = load(path)
    kind, (height, width), (a, b) = str(d['kind']), d['in_hw'], (int(value) for value in d['formula_ab'])
    y, x = np.mgrid[0:height, 0:width]
    blocks = (x // 5 + y // 7) % 2 * 90
    img = np.stack([(x * a + y * b + (x * y) // 97 * 3 + 71 * c + blocks) % 256 for c in range(3)], -1).astype(np.uint8)
    ids = np.array([7, 8, 11, 17, 21, 24, 26, 33, 0, 1])
    raw = ids[((x // 3) * 3 + (y // 2) * 5 + (x * y) // 1009) % 10]
    train = Config.fromfile(str(CONFIG)).data.train
    steps = {
        step['type']: step
        for step in flattened((train.labeled_target if kind == 'cityscapes' else train.source).pipeline)
    }
    assert steps['Normalize'] == dict(type='Normalize', **NORM) and steps['RandomFlip']['prob'] == 0
    assert tuple(steps['RandomCrop']['crop_size']) == (512, 512) and steps['RandomCrop']['cat_max_ratio'] == 1

    table = label_spaces.table(kind, 'city16') if kind == 'synthia' else label_spaces.table(kind)
    label = label_spaces.lookup_array(table)[raw]
    resize = ExactResize([int(value) for value in d['out_hw'][::-1]], steps['ExactResize']['interpolation'])
    results = resize(dict(img=img[..., ::-1], gt_semantic_seg=label, seg_fields=['gt_semantic_seg']))
    out = normalize_on_device(torch.from_numpy(results['img']).permute(2, 0, 1)[None], [dict(img_norm_cfg=NORM)])[
        0
    ].numpy()
    label = np.where(results['gt_semantic_seg'] == 255, -1, results['gt_semantic_seg'].astype(int))
    for k, (top, left, rows, columns) in enumerate(d['windows']):
        window = (slice(top, top + rows), slice(left, left + columns))
        difference = np.abs(out[(slice(None), *window)] - d[f'img_win{k}'])
        assert (
            difference.max() <= 1 + 1e-4 and (difference > 1e-4).mean() < 0.01
        )  # Pillow versions differ by a grey level
        np.testing.assert_array_equal(label[window], d[f'label_win{k}'])
    np.testing.assert_allclose(out.mean((1, 2), dtype=np.float64), d['img_mean_total'], rtol=1e-3, atol=1e-3)
    np.testing.assert_array_equal(np.bincount(label.ravel() + 1, minlength=len(d['label_hist'])), d['label_hist'])


@vectors('metrics_*.npz')
def test_metrics(path: Path) -> None:
    d = load(path)
    number = len(d['iou'])
    assert number == int(d['num_classes'])
    gt = np.where((d['gt'] < 0) | (d['gt'] >= number), 255, d['gt'])
    results = [intersect_and_union(p, g, number, 255) for p, g in zip(d['pred'].astype(int), gt)]
    totals = [sum(part).numpy() for part in zip(*results)]
    np.testing.assert_array_equal(totals[0], d['confusion'].diagonal())
    for total, axis in ((totals[2], 0), (totals[3], 1)):
        np.testing.assert_array_equal(total, d['confusion'].sum(axis))
    others = label_spaces.CITY19[:number] if number <= 19 else [f'class {i}' for i in range(number)]
    names = label_spaces.SPACES['city16'][0] if number == 16 else others
    dataset = SimpleNamespace(CLASSES=names)
    dataset.evaluate = lambda *args, **kwargs: CustomDataset.evaluate(dataset, *args, **kwargs)  # type: ignore[arg-type]
    metrics = score_results(dataset, results, logger='silent')
    # the table that MMSeg's evaluation goes through is rounded to 0.01 percent
    np.testing.assert_allclose([metrics[f'IoU.{name}'] for name in names], d['iou'], atol=1e-4)
    if 'iou13' in d:
        subset = [label_spaces.CITY19[i] for i in label_spaces.eval_subsets(13)]
        np.testing.assert_allclose([metrics[f'IoU.{name}'] for name in subset], d['iou13'], atol=1e-4)
    for key, metric in dict(miou='mIoU', miou16='mIoU16', miou13='mIoU13').items():
        if key in d:
            assert metrics[metric] == pytest.approx(float(d[key]), abs=1e-4), key


@vectors('strong_aug_*.npz')
def test_strong_augmentation(path: Path) -> None:
    d = load(path)
    img = torch.from_numpy(d['images_u8']).float().flip(1)
    sizes = {key: torch.full((len(img),), float(d[key])) for key in ('brightness', 'contrast', 'hue', 'sat', 'val')}
    found = dict(
        brightness_contrast=photometric.brightness_contrast(img, sizes['brightness'], sizes['contrast']),
        hue_sat_val=photometric.shift_hsv(img, sizes['hue'], sizes['sat'], sizes['val']),
        gray=photometric.to_gray(img),
        blur3=photometric.blur(img, 3),
        blur5=photometric.blur(img, 5),
    )
    for name, value in found.items():
        expected = d[f'out_{name}_u8'].astype(int)
        difference = np.abs(value.flip(1).numpy() - expected)
        assert difference.max() <= 1 and (difference > 0).mean() < 0.01, name
    off = PhotometricDistortion8Bit(color_prob=0, gray_prob=0, blur_prob=0)
    same = off(torch.from_numpy(d['images']), [dict(img_norm_cfg=NORM)], StepRng(0, 0, 0, len(img)))
    np.testing.assert_allclose(same.numpy(), d['images'], atol=1e-3)
    np.testing.assert_array_equal(d['out_identity_u8'], d['images_u8'])

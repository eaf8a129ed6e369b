"""Parity of the networks of the self-training family with the published implementations; see
tests/golden/selftraining."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mmcv
import pytest
import torch
from mmseg.models import build_head, build_segmentor
from torch import Tensor

from mmseg_uda.compat.keys_mit import mit_from_mmseg, mit_to_mmseg
from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.models.backbones.mit import MixTransformer
from mmseg_uda.models.decode_heads import HRDALogits
from mmseg_uda.models.training_interface import logits, reference_views, segmentation_losses, training_features
from mmseg_uda.ops import hrda
from mmseg_uda.ops.feature_distance import class_cells, downscale_label_ratio, feature_distance
from tests.models.networks import BN, daformer_head_config, hrda_config
from tests.parity.golden import below, golden_files, load, tensors

THINGS = (6, 7, 11, 12, 13, 14, 15, 16, 17, 18)
LOGITS = dict(atol=1e-4, rtol=1e-5)
TENSOR = dict(atol=2e-5, rtol=1e-5)
SCALAR = dict(atol=1e-7, rtol=1e-6)


def vectors(pattern: str) -> Any:
    files = golden_files('selftraining', pattern)
    return pytest.mark.parametrize('path', files, ids=[path.stem for path in files])


def close(actual: Any, expected: Any, **tolerance: float) -> None:
    actual = torch.as_tensor(actual)
    torch.testing.assert_close(actual, torch.as_tensor(expected).to(actual.dtype), **(tolerance or TENSOR))


def box_of(values: Tensor) -> Any:
    box = tuple(int(v) for v in values)
    return None if box[0] < 0 else box


# ---- backbone and heads --------------------------------------------------------------------------------------------
def tiny_mit(depths: Any, **options: Any) -> MixTransformer:
    return MixTransformer(embed_dims=4, num_layers=[int(d) for d in depths], drop_path_rate=0.0, **options).eval()


@vectors('mit_tiny*.npz')
@pytest.mark.parametrize('fused', [True, False])
def test_mit(path: Path, fused: bool) -> None:
    d = tensors(path)
    network = tiny_mit(d['depths'], fused_attention=fused)
    network.load_state_dict(mit_to_mmseg(below(d, 'sd/')))
    with torch.no_grad():
        for i, out in enumerate(network(d['img'])):
            close(out, d[f'out{i}'], atol=5e-6, rtol=1e-5)


@pytest.mark.parametrize('path', golden_files('selftraining', 'mit_key_map*.json'), ids=lambda path: path.stem)
def test_mit_names(path: Path) -> None:
    expected = json.loads(path.read_text())
    shapes = {key: tuple(shape) for key, shape in expected['converted_shapes'].items()}
    own = tiny_mit(expected['depths']).state_dict()
    assert {key: tuple(value.shape) for key, value in own.items()} == shapes
    original = mit_from_mmseg(own)
    assert set(original) == set(expected['key_map'])
    back = mit_to_mmseg(original)
    assert set(back) == set(own) and all(torch.equal(back[key], own[key]) for key in own)


ACTIVE = dict(act_cfg=dict(type='ReLU'), norm_cfg=BN)
SEPARABLE_ASPP = dict(type='aspp', sep=True, dilations=(1, 6, 12, 18), pool=False, **ACTIVE)


def fusion_of(state: dict[str, Tensor]) -> dict[str, Any]:
    """The fusion that a head's weights belong to."""
    if 'fuse_layer.conv.weight' in state:
        return dict(type='conv', kernel_size=state['fuse_layer.conv.weight'].shape[-1], **ACTIVE)
    branches = {key.split('.')[2] for key in state if key.startswith('fuse_layer.aspp_modules.')}
    return dict(
        SEPARABLE_ASPP,
        sep=any('depthwise_conv' in key for key in state),
        dilations=SEPARABLE_ASPP['dilations'][: len(branches)],
        pool=any('image_pool' in key for key in state),
    )


@vectors('daformer_head_*.npz')
def test_daformer_head(path: Path) -> None:
    d = tensors(path)
    state = below(d, 'sd/')
    cfg = daformer_head_config(fusion_of(state), num_classes=d['out'].shape[1])
    cfg.update(in_channels=[d[f'feat{i}'].shape[1] for i in range(4)], channels=state['conv_seg.weight'].shape[1])
    cfg['decoder_params']['embed_dims'] = state['embed_layers.0.proj.weight'].shape[0]
    head = build_head(mmcv.ConfigDict(cfg)).eval()
    mmcv.runner.load_state_dict(head, state, strict=True)
    with torch.no_grad():
        close(head([d[f'feat{i}'] for i in range(4)]), d['out'], **LOGITS)


@vectors('dlv2_head_*.npz')
def test_dlv2_head(path: Path) -> None:
    d = tensors(path)
    head = build_head(
        dict(
            type='DLV2Head',
            in_channels=d['feat'].shape[1],
            in_index=0,
            dilations=(6, 12),
            num_classes=d['out'].shape[1],
            align_corners=False,
        )
    ).eval()
    head.load_state_dict(below(d, 'sd/'))
    with torch.no_grad():
        close(head([d['feat']]), d['out'], **LOGITS)


# ---- HRDA ----------------------------------------------------------------------------------------------------------
@vectors('hrda_crop_ranges*.npz')
def test_hrda_crop_ranges(path: Path) -> None:
    for height, width, size, divisor, rows, columns, valid, _ in load(path)['table'].tolist():
        if valid:
            assert [hrda.crop_offset_count(side, size, divisor, legacy=True) for side in (height, width)] == [
                rows,
                columns,
            ]
        generator = torch.Generator().manual_seed(0)
        for legacy in (True, False):
            y1, y2, x1, x2 = hrda.draw_crop_box((height, width), (size, size), divisor, generator, legacy)
            assert 0 <= y1 and y2 <= height and 0 <= x1 and x2 <= width and y1 % divisor == x1 % divisor == 0


@vectors('hrda_slide_boxes_*.npz')
def test_hrda_slide_boxes(path: Path) -> None:
    d = load(path)
    size = tuple(int(v) for v in d['hw'])
    boxes = hrda.hrda_slide_boxes(size, (int(d['crop']), int(d['crop'])), bool(d['overlapping']))
    assert [list(box) for box in boxes] == d['boxes_y1y2x1x2'].tolist()
    count, channels, height, width = d['batched_shape'].tolist()
    windows = hrda.crop_windows(torch.zeros(count // len(boxes), channels, *size), boxes)
    assert tuple(windows.shape) == (count, channels, height, width)


@vectors('hrda_merge_*.npz')
def test_hrda_merge(path: Path) -> None:
    d = tensors(path)
    boxes = [box_of(box) for box in d['boxes_y1y2x1x2']]
    assert len(d['crop_logits']) == int(d['batch']) * len(boxes)
    close(hrda.merge_windows(d['crop_logits'], boxes, int(d['os'])), d['out'])


@vectors('hrda_fuse_*.npz')
def test_hrda_fuse(path: Path) -> None:
    d = tensors(path)
    low, high, attention = (d[name].requires_grad_() for name in ('lr_logits', 'hr_logits', 'att_logits'))
    weights = dict(lr_loss_weight=float(d['lr_loss_weight']), hr_loss_weight=float(d['hr_loss_weight']))
    head = build_head(
        dict(
            type='HRDAHead',
            single_scale_head='DLV2Head',
            in_channels=4,
            in_index=0,
            dilations=(1,),
            head_stride=int(d['os']),
            scales=(float(d['lr_scale']), float(d['hr_scale'])),
            num_classes=low.shape[1],
            align_corners=False,
            **weights,
        )
    )
    box = box_of(d['box_y1y2x1x2'])
    fused, attended = hrda.hrda_fuse(low, high, attention.sigmoid(), box, int(d['os']), head.ratio)
    close(fused, d['fused'])
    close(attended, d['lr_out'])
    losses = head.weighted_losses(HRDALogits(fused, attended, high, box), d['label'], d.get('seg_weight'))
    expected = {
        key.replace('loss_seg', 'loss_ce'): value for key, value in below(d, 'loss.').items() if 'acc' not in key
    }
    assert set(losses) == set(expected)
    for name, value in expected.items():
        close(losses[name], value, **SCALAR)
    total = sum(losses.values())
    close(total, d['total'], **SCALAR)
    total.backward()
    for tensor, name in ((low, 'grad_lr'), (high, 'grad_hr'), (attention, 'grad_att')):
        close(tensor.grad, d[name])


def hrda_model(d: dict[str, Tensor], weights: str, **options: Any) -> Any:
    scale = 'all' if options.pop('all_scales', False) else 0.5
    segmentor = build_segmentor(mmcv.ConfigDict(hrda_config(int(d['hr_crop']), feature_scale=scale, **options)))
    segmentor.decode_head.hr_loss_weight = float(d['hr_loss_weight'])
    mmcv.runner.load_state_dict(segmentor, below(d, weights), strict=False)
    return segmentor


@vectors('hrda_model_*.npz')
def test_hrda_training_pass(path: Path) -> None:
    d = tensors(path)
    segmentor = hrda_model(d, 'sd/')
    features = training_features(segmentor, d['img'], box=box_of(d['crop_box_y1y2x1x2']))
    outputs = segmentor.decode_head(features.decode)
    for actual, name in ((outputs.fused, 'fused'), (outputs.low, 'lr_out'), (outputs.high, 'hr_out')):
        close(actual, d[name], **LOGITS)
    losses = segmentation_losses(segmentor, features, d['label'], d['seg_weight'])
    expected = {
        key.replace('loss_seg', 'loss_ce'): value for key, value in below(d, 'loss/').items() if 'acc' not in key
    }
    assert set(losses) == set(expected)
    for name, value in expected.items():
        close(losses[name], value, **SCALAR)
    total = sum(losses.values())
    close(total, d['total'], **SCALAR)
    total.backward()
    for name, parameter in segmentor.named_parameters():
        close(parameter.grad, d[f'grad/{name}'])


def feature_distance_of(views: Any, references: Any, label: Tensor) -> Tensor:
    """0.005 times the mean distance over cells with at least 75 % of one thing class, summed over the views."""
    total = torch.zeros(())
    for view, reference in zip(views, references):
        window, maps = hrda.crop(label, view.box), view.maps[-1]
        cells = class_cells(downscale_label_ratio(window, window.shape[-1] // maps.shape[-1], 0.75, 19), THINGS)
        total = total + 0.005 * feature_distance(maps, reference.maps[-1], cells)
    return total


@vectors('hrda_model_*.npz')
def test_hrda_feature_distance_windows(path: Path) -> None:
    d = tensors(path)
    scales = 'all' in path.stem
    student, reference = (hrda_model(d, weights, all_scales=scales) for weights in ('sd/', 'imnet/'))
    box = box_of(d['crop_box_y1y2x1x2'])
    features = training_features(student, d['img'], box=box)
    views = reference_views(reference, d['img'], features)
    assert [view.box for view in features.views] == [view.box for view in views] == ([None, box] if scales else [None])
    loss = feature_distance_of(features.views, views, d['label'])
    close(loss, d['fd_loss'], **SCALAR)
    loss.backward()
    for name, parameter in student.backbone.named_parameters():
        close(parameter.grad, d[f'fd_grad/backbone.{name}'], atol=1e-6, rtol=1e-4)


@vectors('hrda_model_*.npz')
@pytest.mark.parametrize('options', [dict(), dict(hr_windows_per_chunk=2)], ids=['at_once', 'chunks'])
def test_hrda_inference(path: Path, options: dict[str, Any]) -> None:
    d = tensors(path)
    slide = dict(
        mode='slide', crop_size=(64, 64), stride=(32, 32), batched_slide=bool(options), max_windows_per_batch=2
    )
    segmentor = hrda_model(d, 'sd/', test_cfg=slide, **options).eval()
    with torch.no_grad():
        close(logits(segmentor, d['img'])[..., ::8, ::8], d['infer_logits_sub'], **LOGITS)
        size = tuple(d['img'].shape[2:])
        metas = [dict(ori_shape=size, img_shape=(*size, 3), flip=False)] * d['img'].shape[0]
        close(segmentor.slide_inference(d['img'], metas, rescale=True)[..., ::8, ::8], d['slide_logits_sub'], **LOGITS)


@pytest.mark.parametrize(
    'path', golden_files('selftraining', 'param_groups_daformer_mit*.json'), ids=lambda path: path.stem
)
def test_parameter_groups_of_the_published_optimiser(path: Path) -> None:
    expected = {
        entry['mmseg030_name']: (entry['lr'], entry['weight_decay'])
        for entry in json.loads(path.read_text()).values()
        if entry['mmseg030_name']
    }
    depths = [
        1 + max(int(name.split('.')[4]) for name in expected if name.startswith(f'backbone.layers.{i}.1.'))
        for i in range(4)
    ]
    segmentor = build_segmentor(
        mmcv.ConfigDict(
            type='EncoderDecoder',
            backbone=dict(type='MixTransformer', embed_dims=4, num_layers=depths),
            decode_head=daformer_head_config(SEPARABLE_ASPP),
        )
    )
    keys = dict(head=dict(lr_mult=10.0), pos_block=dict(decay_mult=0.0), norm=dict(decay_mult=0.0))
    optimizer = build_optimizers(
        dict(type='AdamW', lr=6e-5, betas=(0.9, 0.999), weight_decay=0.01, paramwise_cfg=dict(custom_keys=keys)),
        dict(segmentor=segmentor),
    )['segmentor']
    saved_names = {value.data_ptr(): name for name, value in segmentor.state_dict().items()}
    actual = {
        saved_names[p.data_ptr()]: (group['lr'], group['weight_decay'])
        for group in optimizer.param_groups
        for p in group['params']
    }
    assert set(actual) == set(expected)
    assert all(actual[name] == pytest.approx(expected[name]) for name in expected)
    assert len(optimizer.param_groups) == 3

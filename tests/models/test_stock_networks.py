"""Networks, schedules and optimisers of MMSegmentation's own config tree; ``benchmarks/stock_networks.py`` walks them
all and writes the table of ``docs/reference/models.md``."""

from __future__ import annotations

import copy
import dataclasses
import logging
import re
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config
from mmseg.models import decode_heads, segmentors

from benchmarks import stock_networks as walk
from mmseg_uda.engine.config_checks import check_counting
from mmseg_uda.engine.environment import load_config
from mmseg_uda.engine.optimizers import as_mmcv, build_optimizers
from mmseg_uda.engine.runner import UDARunner
from mmseg_uda.engine.step import StepOptions, TrainStep
from mmseg_uda.engine.train import register_hooks
from mmseg_uda.models.training_interface import segmentation_losses, training_features
from mmseg_uda.utils.config_errors import check_top_level
from tests.harness.methods import Setup
from tests.harness.synthetic import tiny_model

FCN = dict(
    type='FCNHead', in_channels=16, in_index=3, channels=8, num_convs=1, concat_input=False, num_classes=5,
    align_corners=False, loss_decode=dict(type='CrossEntropyLoss'),
)  # fmt: skip
_UPDATE = dict(
    type='KernelUpdateHead', num_classes=5, num_ffn_fcs=2, num_heads=1, num_mask_fcs=1, feedforward_channels=8,
    in_channels=8, out_channels=8, dropout=0.0, conv_kernel_size=1, ffn_act_cfg=dict(type='ReLU', inplace=True),
    with_ffn=True, feat_transform_cfg=dict(conv_cfg=dict(type='Conv2d'), act_cfg=None),
    kernel_updator_cfg=dict(type='KernelUpdator', in_channels=8, feat_channels=8, out_channels=8,
                            act_cfg=dict(type='ReLU', inplace=True), norm_cfg=dict(type='LN')),
)  # fmt: skip
_ONE = dict(in_channels=16, in_index=3, channels=8, num_classes=5, align_corners=False)
_POINT = dict(num_points=64, oversample_ratio=2, importance_sample_ratio=0.75)
#: name -> changes of the tiny network, and what AdvEnt says
HEADS: dict[str, tuple[dict[str, Any], str]] = {
    'knet': (
        dict(decode_head=dict(type='IterativeDecodeHead', num_stages=2, kernel_update_head=[_UPDATE, _UPDATE],
                              kernel_generate_head=dict(FCN, num_convs=2, concat_input=True))),
        r'AdvEnt computes losses on class scores, but those of IterativeDecodeHead \(decode\)',
    ),
    'encnet': (
        dict(decode_head=dict(type='EncHead', in_channels=[8, 16], in_index=[1, 3], channels=8, num_codes=4,
                              num_classes=5, align_corners=False, use_se_loss=True, add_lateral=False)),
        r'those of EncHead \(decode\)',
    ),
    'danet': (dict(decode_head=dict(type='DAHead', pam_channels=4, **_ONE)), r'those of DAHead \(decode\)'),
    'pointrend': (
        dict(type='CascadeEncoderDecoder', num_stages=2, decode_head=[
                 FCN, dict(type='PointHead', in_channels=[4], in_index=[0], channels=8, num_fcs=1, num_classes=5,
                           coarse_pred_each_layer=True, align_corners=False, loss_decode=dict(type='CrossEntropyLoss'))],
             train_cfg=_POINT, test_cfg=dict(mode='whole', subdivision_steps=1, subdivision_num_points=64, scale_factor=2)),
        'AdvEnt needs a segmentor with one decode head',
    ),
    'ocr': (
        dict(type='CascadeEncoderDecoder', num_stages=2,
             decode_head=[FCN, dict(type='OCRHead', ocr_channels=4, **_ONE)]),
        'AdvEnt needs a segmentor with one decode head',
    ),
    'stdc': (
        dict(auxiliary_head=[FCN, dict(type='STDCHead', in_channels=4, in_index=0, channels=4, num_convs=1,
                                       num_classes=2, boundary_threshold=0.1, concat_input=False, align_corners=True,
                                       loss_decode=[dict(type='CrossEntropyLoss', use_sigmoid=True),
                                                    dict(type='DiceLoss', loss_name='loss_dice')])]),
        'trains',
    ),
    'ohem': (dict(decode_head=dict(FCN, sampler=dict(type='OHEMPixelSampler', thresh=0.7, min_kept=100))), 'trains'),
}  # fmt: skip


def model_of(name: str) -> dict[str, Any]:
    model = tiny_model(5, **copy.deepcopy(HEADS[name][0]))
    model['backbone'] = dict(model['backbone'], channels=(4, 8, 12, 16))
    if name == 'stdc':
        model['decode_head'].update(in_channels=16)
    return model


@pytest.mark.parametrize('name', HEADS)
def test_every_kind_of_head_trains_or_is_refused_by_name(name: str) -> None:
    expected = HEADS[name][1]
    assert walk.try_network(model_of(name), None) == 'trains'
    assert walk.try_network(model_of(name), dict(type='DACS', pseudo_threshold=0.2)) == 'trains'
    assert re.search(expected, walk.try_network(model_of(name), dict(type='AdvEnt')))


def test_pseudo_labels_of_weight_zero_train_no_head() -> None:
    """PointRend and K-Net too: without confident pixels the mixed images count their source pixels only."""
    for name in ('pointrend', 'knet', 'encnet', 'danet', 'stdc'):
        setup = Setup(None, model=model_of(name))
        method, _ = setup.build()
        batch = setup.data.batch([0, 1])
        features = training_features(method.student, batch['img'])
        weight = torch.zeros(2, *batch['img'].shape[2:])
        losses = segmentation_losses(method.student, features, batch['gt_semantic_seg'].clamp(max=4), weight)
        pixel_losses = {key: value for key, value in losses.items() if 'loss_se' not in key}
        assert pixel_losses and all(value == 0 for value in pixel_losses.values()), name


def test_the_table_of_the_docs_names_every_head_and_segmentor() -> None:
    page = walk.PAGE.read_text(encoding='utf-8')
    written = page.split(walk.BEGIN)[1].split(walk.END)[0]
    never_in_a_config = {'BaseDecodeHead', 'BaseCascadeDecodeHead'}
    heads = {name for name in decode_heads.__all__} - never_in_a_config
    assert not [name for name in heads if name not in written]
    assert all(name in written for name in segmentors.__all__ if 'Cascade' in name)
    assert 'ERROR' not in written and ' trains |' in written


# ---- schedules and optimisers --------------------------------------------------------------------------------------
#: one config for every different block of optimizer, optimizer_config, lr_config, fp16 and evaluation in the tree
BLOCKS = [
    'beit/upernet_beit-base_640x640_160k_ade20k_ms.py',
    'beit/upernet_beit-large_fp16_640x640_160k_ade20k_ms.py',
    'bisenetv2/bisenetv2_fcn_fp16_4x4_1024x1024_160k_cityscapes.py',
    'cgnet/cgnet_512x1024_60k_cityscapes.py',
    'deeplabv3plus/deeplabv3plus_r101_512x512_C-CM+C-WO-NatOcc-SOT.py',
    'dnlnet/dnl_r101-d8_769x769_80k_cityscapes.py',
    'dpt/dpt_vit-b16_512x512_160k_ade20k.py',
    'knet/knet_s3_fcn_r50-d8_8x2_512x512_adamw_80k_ade20k.py',
    'mae/upernet_mae-base_fp16_512x512_160k_ade20k_ms.py',
    'point_rend/pointrend_r101_512x1024_80k_cityscapes.py',
    'segformer/segformer_mit-b0_512x512_160k_ade20k.py',
    'setr/setr_mla_512x512_160k_b16_ade20k.py',
    'unet/deeplabv3_unet_s5-d16_128x128_40k_chase_db1.py',
]
SCHEDULES = sorted(path.stem for path in (walk.CONFIGS / '_base_' / 'schedules').glob('*.py'))


def check_blocks(cfg: Config, tmp_path: Path) -> None:
    """The optimisers, step and hooks of a stock config, on a tiny network with a backbone of the right kind."""
    check_counting(cfg)
    cfg.runner.max_iters = 4
    setup = Setup(None)
    method, _ = setup.build()
    layers = (cfg.optimizer.get('paramwise_cfg') or {}).get('num_layers')
    if layers:
        kind = 'MAE' if 'MAE' in str(cfg.model.backbone.type) else 'BEiT'
        method.student.backbone = _Transformer(kind, method.student.backbone)
    options = StepOptions.from_config(cfg.get('optimizer_config'), cfg.get('fp16'))
    if options.precision == 'fp16':
        with pytest.raises(ValueError, match='needs a CUDA device'):
            TrainStep(method, build_optimizers(cfg.optimizer, method.networks()), options, 1)
        options = dataclasses.replace(options, precision='bf16')
    optimizers = build_optimizers(cfg.optimizer, method.networks())
    step = TrainStep(method, optimizers, options, 1)
    runner = UDARunner(
        model=method, optimizer=as_mmcv(optimizers), work_dir=str(tmp_path), logger=logging.getLogger('blocks'),
        meta={}, max_iters=4, step=step,
    )  # fmt: skip
    cfg.data = dict()
    register_hooks(runner, cfg, torch.device('cpu'), validate=False)
    before = [parameter.detach().clone() for parameter in method.parameters()]
    setup.train(runner)
    assert runner.iter == 4
    assert any(not torch.equal(a, b) for a, b in zip(before, method.parameters()))


class _Transformer(torch.nn.Module):
    """A backbone whose class is called as the layer-wise rates expect."""

    def __new__(cls, kind: str, inner: torch.nn.Module) -> Any:
        return super().__new__(type(kind, (cls,), {}))

    def __init__(self, kind: str, inner: torch.nn.Module) -> None:
        super().__init__()
        self.layers = inner.stages

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, ...]:
        features = []
        for layer in self.layers:
            x = layer(x)
            features.append(x)
        return tuple(features)


@pytest.mark.parametrize('name', SCHEDULES)
def test_stock_schedules_and_runtime_train(name: str, tmp_path: Path) -> None:
    cfg = Config.fromfile(str(walk.CONFIGS / '_base_' / 'schedules' / f'{name}.py'))
    cfg.merge_from_dict(Config.fromfile(str(walk.CONFIGS / '_base_' / 'default_runtime.py'))._cfg_dict)
    check_blocks(cfg, tmp_path)


@pytest.mark.parametrize('name', BLOCKS)
def test_stock_optimisers_train(name: str, tmp_path: Path) -> None:
    cfg = load_config(str(walk.CONFIGS / name))
    check_top_level(cfg, name)
    check_blocks(cfg, tmp_path)

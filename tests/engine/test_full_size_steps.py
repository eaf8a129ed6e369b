"""No step of a published config asks the device for a number: at the image sizes, images per GPU and window grids that
users train with. Only the encoders have fewer blocks, which do the same again and again."""

from __future__ import annotations

from pathlib import Path
from typing import Iterator
from unittest import mock

import pytest
from mmcv import Config
from mmseg.models.backbones import ResNet
from mmseg.models.backbones.resnet import Bottleneck

from tests.harness.methods import answered_copies, check_config_no_waits

CONFIGS = Path(__file__).resolve().parents[2] / 'configs'
#: a config of each family; together all encoders, image sizes and kinds of streams
FULL_SIZE = [
    'source_only/gta_daformer_mitb5',
    'adaptsegnet/gta_to_cityscapes_deeplabv2_r101',
    'minent/synthia_to_cityscapes_cp_deeplabv2_r101',
    'esl/gta_to_cityscapes_retrain_deeplabv2_r101',
    'esl/gta_to_cityscapes_dacs_deeplabv2_r101',
    'dacs/gta_to_cityscapes_segformer_b5',
    'daformer/gta_to_cityscapes_100labels_daformer_mitb5',
    'hrda/gta_to_cityscapes_hrda_deeplabv2_r101',
    'mic/gta_to_cityscapes_daformer_mitb5',
    'quadmix/gta_to_cityscapes_hrda_daformer_mitb5',
    'mtaf/mdis_gta_to_cityscapes_mapillary_idd_19cls',
    'mtaf/mtkt_gta_to_cityscapes_idd_7cls',
    'coast/warmup_gta_to_cityscapes_idd_19cls',
    'coast/coast_gta_to_cityscapes_idd_19cls',
    'dstc/gta_to_cityscapes_100labels_deeplabv2_r101',
    'fda/gta_to_cityscapes_deeplabv2_r101',
    'stal/gta_to_cityscapes_65img_deeplabv3plus_r101',
    'ripu/gta_to_cityscapes_ra_2p2pct_deeplabv2_r101',
    'vfm_uda/gta_to_cityscapes_vitb14_dinov2',
    'source_only/viper_to_cityscapes_seq_accel_deeplabv2_r101',
    'tps/viper_to_cityscapes_seq_accel_deeplabv2_r101',
    'davsn/synthia_seq_to_cityscapes_seq_accel_deeplabv2_r101',
    'quadmix_video/viper_to_cityscapes_seq_accel_deeplabv2_r101',
]


def with_fewer_blocks(cfg: Config) -> Config:
    """One block in each stage of the encoder."""
    backbone = cfg.model.backbone
    if backbone.type.startswith('mit_'):
        backbone.num_layers = [1, 1, 1, 1]
    if backbone.type == 'TimmEncoder':
        backbone.depth, backbone.out_indices = 1, [0]
    if (cfg.get('uda') or {}).get('styliser'):
        cfg.uda.styliser.layers = ['layer1.0', 'layer2.0']
    return cfg


@pytest.fixture(autouse=True)
def shallow_resnets() -> Iterator[None]:
    with mock.patch.dict(ResNet.arch_settings, {101: (Bottleneck, (1, 1, 1, 1))}):
        yield


@pytest.mark.parametrize('name', FULL_SIZE)
def test_a_step_at_full_size_does_not_wait_for_the_host(name: str) -> None:
    with answered_copies():
        tally = check_config_no_waits(with_fewer_blocks(Config.fromfile(str(CONFIGS / f'{name}.py'))))
    assert tally.peak > 2**29  # large images indeed

"""Every model file builds, trains one pass and answers at the input's size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import Config
from mmseg.models import build_segmentor

from mmseg_uda.builder import with_num_classes
from mmseg_uda.models.training_interface import logits, segmentation_losses, training_features

MODELS = Path(__file__).resolve().parents[2] / 'configs' / '_base_' / 'models'
#: the same channels with fewer blocks
SHALLOW = {'mit_b5': dict(type='mit_b1')}


def build(path: Path) -> Any:
    cfg = with_num_classes(Config.fromfile(str(path)).model, 19)
    cfg.pretrained = None
    if cfg.backbone.type in SHALLOW:
        cfg.backbone.update(SHALLOW[cfg.backbone.type])
    if cfg.backbone.get('depth') == 101:
        cfg.backbone.depth = 50
    if 'vit_large' in cfg.backbone.get('model_name', ''):  # test_configs.py builds the large ones without memory
        cfg.backbone.model_name = cfg.backbone.model_name.replace('vit_large', 'vit_base')
        cfg.decode_head.in_channels = 768
        if cfg.backbone.get('out_indices'):
            cfg.backbone.out_indices = (11,)
    if cfg.type == 'HRDAEncoderDecoder':
        cfg.hr_crop_size = (32, 32)
    return build_segmentor(cfg)


@pytest.mark.parametrize('path', sorted(MODELS.glob('*.py')), ids=lambda path: path.stem)
def test_model_config(path: Path) -> None:
    segmentor = build(path).train()
    img = torch.randn(2, 3, 64, 64)
    classes = segmentor.num_classes  # the video networks fix theirs
    label = torch.randint(0, classes, (2, 1, 64, 64))
    features = training_features(segmentor, img, torch.Generator().manual_seed(0))
    losses = segmentation_losses(segmentor, features, label, torch.ones(2, 64, 64))
    assert losses and all(torch.isfinite(value) and 'loss' in name for name, value in losses.items())
    segmentor.eval()
    with torch.no_grad():
        assert logits(segmentor, img[:1]).shape == (1, classes, 64, 64)


@pytest.mark.parametrize(
    'name, millions',
    [('hrda_daformer_mitb5', 85.69), ('deeplabv2red_r101-d8', 43.2)],
)
def test_published_parameter_counts(name: str, millions: float) -> None:
    cfg = with_num_classes(Config.fromfile(str(MODELS / f'{name}.py')).model, 19)
    cfg.pretrained = None
    count = sum(parameter.numel() for parameter in build_segmentor(cfg).parameters())
    assert count / 1e6 == pytest.approx(millions, abs=0.06)

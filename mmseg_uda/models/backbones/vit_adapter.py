"""ViT-Adapter (arXiv 2205.08534) as VFM-UDA++ (arXiv 2503.10685) puts it around DINOv2."""

from __future__ import annotations

import math
from typing import Any, Optional, Sequence

import torch
import torch.nn.functional as F
from mmseg.models.builder import BACKBONES
from torch import Tensor, nn

from ...ops.deformable_attention import Shapes, deformable_attention, reference_points
from .timm_encoder import TimmEncoder


class DeformableAttention(nn.Module):
    """Queries sample ``points`` places around a reference point on each of several maps.

    Args:
        channels: of queries and values.
        levels, heads, points: maps, heads, samples of each head on each map.
        ratio: width of the values relative to ``channels``.
    """

    def __init__(self, channels: int, levels: int, heads: int, points: int = 4, ratio: float = 0.5) -> None:
        super().__init__()
        self.levels, self.heads, self.points = levels, heads, points
        width = int(channels * ratio)
        self.sampling_offsets = nn.Linear(channels, heads * levels * points * 2)
        self.attention_weights = nn.Linear(channels, heads * levels * points)
        self.value_proj = nn.Linear(channels, width)
        self.output_proj = nn.Linear(width, channels)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """Every head starts by looking in a direction of its own, one cell further with every point."""
        nn.init.zeros_(self.sampling_offsets.weight)
        angles = torch.arange(self.heads) * (2 * math.pi / self.heads)
        directions = torch.stack([angles.cos(), angles.sin()], -1)
        directions = directions / directions.abs().amax(-1, keepdim=True)  # (heads, 2)
        steps = torch.arange(1, self.points + 1).view(1, 1, -1, 1)
        offsets = directions[:, None, None] * steps  # (heads, 1, points, 2)
        with torch.no_grad():
            self.sampling_offsets.bias.copy_(offsets.expand(-1, self.levels, -1, -1).flatten())
        nn.init.zeros_(self.attention_weights.weight)
        nn.init.zeros_(self.attention_weights.bias)
        for layer in (self.value_proj, self.output_proj):
            nn.init.xavier_uniform_(layer.weight)
            nn.init.zeros_(layer.bias)

    def forward(self, query: Tensor, reference: Tensor, value: Tensor, shapes: Shapes) -> Tensor:
        """Queries (B, Q, C), reference points (1, Q, 1, 2), values (B, S, C) of maps of ``shapes`` -> (B, Q, C).

        The sampling runs in float32 also under autocast.
        """
        batch, queries, _ = query.shape
        values = self.value_proj(value).unflatten(-1, (self.heads, -1))  # (B, S, heads, D)
        split = (batch, queries, self.heads, self.levels, self.points)
        offsets = self.sampling_offsets(query).view(*split, 2)
        weights = self.attention_weights(query).view(*split[:3], -1).softmax(-1).view(split)
        cells = query.new_tensor([[w, h] for h, w in shapes], dtype=torch.float32)[:, None]  # (levels, 1, 2)
        locations = reference.float()[:, :, None, :, None] + offsets.float() / cells
        out = deformable_attention(values.float(), shapes, locations, weights.float())
        return self.output_proj(out.to(query.dtype))


class SpatialPrior(nn.Module):
    """A small convolutional network: maps of C channels at strides 4, 8, 16, 32."""

    def __init__(self, inplanes: int, channels: int) -> None:
        super().__init__()
        widths = [inplanes, 2 * inplanes, 4 * inplanes, 4 * inplanes]
        stem = [*_conv(3, inplanes, 2), *_conv(inplanes, inplanes, 1), *_conv(inplanes, inplanes, 1)]
        self.stem = nn.Sequential(*stem, nn.MaxPool2d(3, 2, 1))
        for i in (2, 3, 4):
            setattr(self, f'conv{i}', nn.Sequential(*_conv(widths[i - 2], widths[i - 1], 2)))
        for i, width in enumerate(widths, 1):
            setattr(self, f'fc{i}', nn.Conv2d(width, channels, 1))

    def forward(self, x: Tensor) -> list[Tensor]:
        """Images (B, 3, H, W) -> four maps."""
        maps = [self.stem(x)]
        for i in (2, 3, 4):
            maps.append(getattr(self, f'conv{i}')(maps[-1]))
        return [getattr(self, f'fc{i}')(x) for i, x in enumerate(maps, 1)]


def _conv(inputs: int, outputs: int, stride: int) -> list[nn.Module]:
    return [nn.Conv2d(inputs, outputs, 3, stride, 1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU(inplace=True)]


class DepthwiseConv(nn.Module):
    """A 3x3 depth-wise convolution on each of several maps that are given as one row of cells (B, S, C)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.dwconv = nn.Conv2d(channels, channels, 3, 1, 1, groups=channels)

    def forward(self, x: Tensor, shapes: Shapes) -> Tensor:
        parts = x.split([h * w for h, w in shapes], dim=1)
        maps = [self.dwconv(part.transpose(1, 2).unflatten(2, shape)) for part, shape in zip(parts, shapes)]
        return torch.cat([m.flatten(2).transpose(1, 2) for m in maps], 1)


class ConvFFN(nn.Module):
    """Linear, depth-wise convolution, GELU, linear."""

    def __init__(self, channels: int, ratio: float) -> None:
        super().__init__()
        hidden = int(channels * ratio)
        self.fc1 = nn.Linear(channels, hidden)
        self.dwconv = DepthwiseConv(hidden)
        self.fc2 = nn.Linear(hidden, channels)

    def forward(self, x: Tensor, shapes: Shapes) -> Tensor:
        return self.fc2(F.gelu(self.dwconv(self.fc1(x), shapes)))


class Injector(nn.Module):
    """Adds what the tokens find in the pyramid, times ``gamma``, which starts at zero."""

    def __init__(self, channels: int, levels: int, heads: int, points: int, ratio: float) -> None:
        super().__init__()
        self.query_norm, self.feat_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attn = DeformableAttention(channels, levels, heads, points, ratio)
        self.gamma = nn.Parameter(torch.zeros(channels))

    def forward(self, query: Tensor, reference: Tensor, feat: Tensor, shapes: Shapes) -> Tensor:
        return query + self.gamma * self.attn(self.query_norm(query), reference, self.feat_norm(feat), shapes)


class Extractor(nn.Module):
    """Adds what the pyramid finds in the tokens, and a convolutional feed-forward network."""

    def __init__(self, channels: int, heads: int, points: int, ratio: float, ffn_ratio: float) -> None:
        super().__init__()
        self.query_norm, self.feat_norm = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.attn = DeformableAttention(channels, 1, heads, points, ratio)
        self.ffn = ConvFFN(channels, ffn_ratio)
        self.ffn_norm = nn.LayerNorm(channels)

    def forward(self, query: Tensor, reference: Tensor, feat: Tensor, grid: tuple[int, int], shapes: Shapes) -> Tensor:
        query = query + self.attn(self.query_norm(query), reference, self.feat_norm(feat), [grid])
        return query + self.ffn(self.ffn_norm(query), shapes)


class Interaction(nn.Module):
    """Injector before and extractor behind a group of blocks; the last one has two more extractors."""

    def __init__(
        self, channels: int, heads: int, points: int, ratio: float, ffn_ratio: float, extra: bool = False
    ) -> None:
        super().__init__()
        self.injector = Injector(channels, 3, heads, points, ratio)
        self.extractor = Extractor(channels, heads, points, ratio, ffn_ratio)
        self.extra_extractors = nn.ModuleList(
            [Extractor(channels, heads, points, ratio, ffn_ratio) for _ in range(2 if extra else 0)]
        )

    @property
    def extractors(self) -> list[nn.Module]:
        """All extractors in order."""
        return [self.extractor, *self.extra_extractors]


@BACKBONES.register_module()
class ViTAdapter(TimmEncoder):
    """A plain transformer of timm with a convolutional pyramid that it exchanges features with.

    Outputs four maps of C channels at strides 4, 8, 16, 32 (of the resized input). Inputs are resized to multiples of
    32 and of the patch; ``input_scale=1.1`` makes 1120 of 1024, as VFM-UDA++.

    Args:
        conv_inplane: width of the convolutional stem.
        deform_heads: heads of the deformable attention; None = C / 64.
        deform_points, deform_ratio: samples per head and map, width of the values.
        cffn_ratio: width of the feed-forward network of the extractors.
        interaction_indexes: (first, last) block of every group; None = four equal groups.
        kwargs: options of :class:`TimmEncoder`; ``out_indices`` and ``final_norm`` do not exist here.
    """

    def __init__(
        self,
        model_name: Optional[str] = None,
        conv_inplane: int = 64,
        deform_heads: Optional[int] = None,
        deform_points: int = 4,
        deform_ratio: float = 0.5,
        cffn_ratio: float = 0.25,
        interaction_indexes: Optional[Sequence[Sequence[int]]] = None,
        **kwargs: Any,
    ) -> None:
        refused = [key for key in ('out_indices', 'final_norm') if key in kwargs]
        if refused:
            raise KeyError(f'ViTAdapter has no option {refused[0]}: it gives four maps and uses no final norm')
        super().__init__(model_name, **kwargs)
        if not self.plain or not hasattr(self.model, '_pos_embed'):
            raise ValueError(f"ViTAdapter needs a plain transformer, '{self.model_name}' is none")
        self.divisor = math.lcm(32, self.divisor)
        depth, channels = len(self.model.blocks), self.embed_dims[-1]
        groups = interaction_indexes or [(depth * i // 4, depth * (i + 1) // 4 - 1) for i in range(4)]
        self.groups = [tuple(map(int, group)) for group in groups]
        covered = [i for first, last in self.groups for i in range(first, last + 1)]
        if len(self.groups) != 4 or covered != list(range(depth)):
            raise ValueError(
                f'interaction_indexes must be 4 groups that cover the {depth} blocks in order, got {self.groups}'
            )
        heads = deform_heads or max(channels // 64, 1)
        options = (channels, heads, deform_points, deform_ratio, cffn_ratio)
        self.level_embed = nn.Parameter(torch.zeros(3, channels))
        nn.init.normal_(self.level_embed)
        self.spm = SpatialPrior(conv_inplane, channels)
        self.interactions = nn.ModuleList([Interaction(*options, extra=i == 3) for i in range(4)])
        self.up = nn.ConvTranspose2d(channels, channels, 2, 2)
        for i in range(1, 5):
            setattr(self, f'norm{i}', nn.BatchNorm2d(channels, momentum=0.01))
        self.embed_dims = (channels,) * 4
        self.strides, self.stride = (4, 8, 16, 32), None

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        """Normalised images (B, 3, H, W) -> four maps (B, C, h_i, w_i)."""
        x = self._fitted(x)
        first, *pyramid = self.spm(x)
        shapes = [tuple(c.shape[2:]) for c in pyramid]
        cells = torch.cat(
            [c.flatten(2).transpose(1, 2) + embed for c, embed in zip(pyramid, self.level_embed)], 1
        )  # (B, S, C)
        tokens, rope, grid = self.embed(x)
        outputs = []
        for group, interaction in zip(self.groups, self.interactions):
            tokens, cells = self._interact(interaction, group, tokens, cells, (rope, grid, shapes))
            outputs.append(tokens[:, self.model.num_prefix_tokens :].transpose(1, 2).unflatten(2, grid))
        parts = cells.split([h * w for h, w in shapes], dim=1)
        maps = [part.transpose(1, 2).unflatten(2, shape) for part, shape in zip(parts, shapes)]
        maps = [self.up(maps[0]) + first, *maps]
        maps = [
            m + F.interpolate(out, size=m.shape[2:], mode='bilinear', align_corners=False)
            for m, out in zip(maps, outputs)
        ]
        return tuple(getattr(self, f'norm{i}')(m) for i, m in enumerate(maps, 1))

    def _interact(
        self, interaction: Any, group: Sequence[int], tokens: Tensor, cells: Tensor, where: tuple[Any, ...]
    ) -> tuple[Tensor, Tensor]:
        rope, grid, shapes = where
        prefix = self.model.num_prefix_tokens
        special, patches = tokens[:, :prefix], tokens[:, prefix:]
        patches = interaction.injector(patches, reference_points([grid], cells.device), cells, shapes)
        tokens = torch.cat([special, patches], 1)
        for block in self.model.blocks[group[0] : group[1] + 1]:
            tokens = self.run_block(block, tokens, rope)
        for extractor in interaction.extractors:
            centres = reference_points(shapes, cells.device)
            cells = extractor(cells, centres, tokens[:, prefix:], grid, shapes)
        return tokens, cells

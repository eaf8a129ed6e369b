"""The domain discriminator of AdaptSegNet (arXiv 1802.10349, sec. 4.1), AdvEnt and MTAF."""

from __future__ import annotations

from torch import Tensor, nn

from ...registry import DISCRIMINATORS

#: five halvings
STRIDE = 32


@DISCRIMINATORS.register_module()
class FCDiscriminator(nn.Sequential):
    """Five 4x4 convolutions of stride 2 with leaky ReLUs between them; PyTorch's default initialisation.

    The state-dict keys (``0.weight``, ``2.weight`` ...) are those of the published code.

    Args:
        num_classes: input channels: the number of classes of the maps it judges.
        ndf: channels of the first convolution; the next three double them.
    """

    def __init__(self, num_classes: int, ndf: int = 64) -> None:
        widths = (num_classes, ndf, 2 * ndf, 4 * ndf, 8 * ndf)
        layers: list[nn.Module] = []
        for before, after in zip(widths, widths[1:]):
            layers += [nn.Conv2d(before, after, 4, stride=2, padding=1), nn.LeakyReLU(0.2, inplace=True)]
        super().__init__(*layers, nn.Conv2d(widths[-1], 1, 4, stride=2, padding=1))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, H, W) to domain logits (B, 1, H // 32, W // 32).

        Raises:
            ValueError: a side below 32 pixels, of which nothing would be left.
        """
        if min(maps.shape[2:]) < STRIDE:
            raise ValueError(
                f'the discriminator halves its input five times: maps of {tuple(maps.shape[2:])} pixels are too small, '
                f'train with images of at least {STRIDE} pixels a side'
            )
        return super().forward(maps)

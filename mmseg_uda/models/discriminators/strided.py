"""The domain discriminator of CoaST's warm-up (arXiv 2210.01578)."""

from __future__ import annotations

from collections import OrderedDict

from torch import Tensor, nn

from ...registry import DISCRIMINATORS


@DISCRIMINATORS.register_module()
class StridedDiscriminator(nn.Sequential):
    """Four 3x3 convolutions of stride 2 (ReLU, the last one leaky) and a 1x1 classifier; PyTorch's default
    initialisation.

    The state-dict keys (``conv1.weight`` ... ``classifier.bias``) are those of the released code.

    Args:
        num_classes: input channels: the number of classes of the maps it judges.
        ndf: channels of the first convolution; the next three double them.
    """

    def __init__(self, num_classes: int, ndf: int = 64) -> None:
        widths = (num_classes, ndf, 2 * ndf, 4 * ndf, 8 * ndf)
        layers: OrderedDict[str, nn.Module] = OrderedDict()
        for i, (before, after) in enumerate(zip(widths, widths[1:]), start=1):
            layers[f'conv{i}'] = nn.Conv2d(before, after, 3, stride=2, padding=1)
            layers[f'activation{i}'] = nn.LeakyReLU(0.2, inplace=True) if i == 4 else nn.ReLU(inplace=True)
        super().__init__(OrderedDict(layers, classifier=nn.Conv2d(widths[-1], 1, 1)))

    def forward(self, maps: Tensor) -> Tensor:
        """Maps (B, C, H, W) to domain logits (B, 1, ceil(H / 16), ceil(W / 16))."""
        return super().forward(maps)

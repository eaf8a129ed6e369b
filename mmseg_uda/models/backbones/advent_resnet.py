"""The ResNet of ADVENT's DeepLabV2, shared by AdaptSegNet, BDL, ESL, MTAF, CoaST and DSTC."""

from __future__ import annotations

from typing import Any, Mapping

import torch
from mmseg.models.backbones import ResNet
from mmseg.models.builder import BACKBONES
from torch import Tensor

from ...compat.keys_advent import without_scale
from ..pretrained import load_pretrained


@BACKBONES.register_module()
class AdventResNet(ResNet):
    """Caffe-style ResNet at output stride 8 whose last two stages go to the auxiliary and the main classifier.

    Differences from MMSeg's ``ResNet``: the max pooling rounds up (512 x 1024 gives 65 x 129 features); the stride of a
    bottleneck is in its first 1x1 convolution; all blocks of a dilated stage use the dilation; the affine part of batch
    norm is frozen while its statistics are not.

    ``pretrained`` takes the file that ADVENT and AdaptSegNet publish (keys ``Scale.conv1.weight`` ...), the backbone
    alone, or a whole segmentor of this package, and loads it strictly.

    Args:
        depth: 50, 101 or 152.
        pool_ceil_mode: False rounds the max pooling down, as in DSTC (a 512 x 512 crop gives 64 x 64 features).
        kwargs: options of MMSeg's ``ResNet``.
    """

    loads_strictly = True

    def __init__(self, depth: int = 101, pool_ceil_mode: bool = True, **kwargs: Any) -> None:
        options = dict(
            style='caffe',
            strides=(1, 2, 1, 1),
            dilations=(1, 1, 2, 4),
            out_indices=(2, 3),
            contract_dilation=False,
            norm_cfg=dict(type='BN', requires_grad=False),
            norm_eval=False,
            zero_init_residual=False,  # a zero that is frozen would switch the residual branches off for good
        )
        super().__init__(depth=depth, **{**options, **kwargs})
        self.maxpool.ceil_mode = pool_ceil_mode

    def init_weights(self) -> None:
        """Random weights, or strictly those of the file that ``pretrained`` names.

        Raises:
            CheckpointError: the file lacks keys, or its batch-norm statistics were folded into the weights.
        """
        init_cfg = self.init_cfg
        if not isinstance(init_cfg, Mapping) or init_cfg.get('type') != 'Pretrained':
            super().init_weights()
            return
        load_pretrained(self, init_cfg['checkpoint'], _checked)


def _checked(state: Mapping[str, Tensor]) -> Mapping[str, Tensor]:
    state = without_scale(state)
    variances = [value for key, value in state.items() if key.endswith('running_var')]
    if variances and all(torch.equal(value, torch.ones_like(value)) for value in variances):
        raise KeyError(
            'all running variances are 1: the batch-norm statistics were folded into the weights, which is wrong for a '
            'network that renews its statistics in training. Use a file with statistics'
        )
    return state

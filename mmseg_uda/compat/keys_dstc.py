"""Names of DSTC's released checkpoints: a network of the ADVENT lineage with one classifier below ``segnet.``.

===================================  ==========================================
published                            here
===================================  ==========================================
``segnet.conv1.weight`` ...          ``backbone.conv1.weight`` ...
``segnet.layer6.conv2d_list.<i>``    ``decode_head.aspp_modules.<i>.conv``
===================================  ==========================================
"""

from __future__ import annotations

from typing import Mapping

from torch import Tensor

from .keys_advent import advent_to_ours, ours_to_advent

State = Mapping[str, Tensor]

PREFIX = 'segnet.'


def is_dstc(state: State) -> bool:
    """Whether ``state`` is a network of DSTC's released code."""
    return any(key.startswith(PREFIX) for key in state)


def dstc_to_ours(state: State) -> dict[str, Tensor]:
    """A released network -> this package's ``EncoderDecoder`` with ``AdventResNet`` and ``AdventHead``.

    Raises:
        KeyError: a key without the prefix.
    """
    foreign = [key for key in state if not key.startswith(PREFIX)]
    if foreign:
        raise KeyError(f"{len(foreign)} keys do not begin with '{PREFIX}': {', '.join(foreign[:5])}")
    return advent_to_ours({key[len(PREFIX) :]: value for key, value in state.items()})


def ours_to_dstc(state: State) -> dict[str, Tensor]:
    """Inverse of :func:`dstc_to_ours`.

    Raises:
        KeyError: a key of another network.
    """
    return {PREFIX + key: value for key, value in ours_to_advent(state).items()}

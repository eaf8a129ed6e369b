"""Rates of a run on a pretrained encoder: factors of the layers, and VFM-UDA's schedule."""

from __future__ import annotations


def layer_factor(layer: int, num_layers: int, decay: float) -> float:
    """Rate of a layer relative to the last one: decay^(num_layers - layer).

    Args:
        layer: 0 = the stem (patch embedding, tokens, positions), 1 ... ``num_layers`` = blocks.
        num_layers: blocks of the encoder.
        decay: factor from one layer to the one before it.
    """
    return float(decay ** (num_layers - layer))


def warmup_linear_factor(iteration: int, warmup: int, total: int, start: float = 1e-3) -> float:
    """VFM-UDA's schedule: linear from ``start`` to 1 at iteration ``warmup - 1``, then 1 - iteration / total.

    It jumps from 1 to 1 - warmup / total at the end of the warm-up, and is 0 at ``total``.
    """
    if iteration < warmup:
        return start + (1 - start) * iteration / max(warmup - 1, 1)
    return max(1 - iteration / total, 0.0)

"""The slow forms of single steps, as the published code of the DAFormer family computes them, for before/after
measurements.

Each function has the signature of the package's own and gives the same result (the dense blur to float precision).
"""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from mmseg_uda.ops.ema import ema_alpha


def dense_blur(img: Tensor, sigma: Tensor, max_sigma: float = 1.15) -> Tensor:
    """Gaussian blur with a full 2-D kernel of a tenth of the image's side."""
    del max_sigma
    sides = [math.ceil(0.1 * side) for side in img.shape[2:]]
    sides = [side if side % 2 else side - 1 for side in sides]
    blurred = []
    for one, width in zip(img, sigma.reshape(-1).expand(len(img))):
        rows, columns = (
            torch.exp(-(torch.arange(side) - side // 2).float().square() / (2 * width.square().cpu())) for side in sides
        )
        kernel = ((rows / rows.sum())[:, None] * (columns / columns.sum())[None]).to(img)
        padded = F.pad(one[None], (sides[1] // 2, sides[1] // 2, sides[0] // 2, sides[0] // 2), mode='reflect')
        blurred.append(F.conv2d(padded, kernel.expand(img.shape[1], 1, *kernel.shape), groups=img.shape[1]))
    return torch.cat(blurred)


def one_hot_downscale(label: Tensor, scale: int, min_ratio: float, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Majority label of cells through an int64 one-hot and an average pooling."""
    out = label.clone()
    out[out == ignore_index] = num_classes
    one_hot = F.one_hot(out[:, 0], num_classes + 1).permute(0, 3, 1, 2).float()
    share, majority = F.avg_pool2d(one_hot, scale).max(1, keepdim=True)
    majority[majority == num_classes] = ignore_index
    majority[share < min_ratio] = ignore_index
    return majority


def unique_class_masks(label: Tensor, scores: Tensor, scope: str = 'batch', ranks: Any = None) -> Tensor:
    """ClassMix masks with ``torch.unique`` over the batch for every image and a broadcast comparison."""
    del scope, ranks
    masks = []
    for i, one in enumerate(label):
        classes = torch.unique(label)
        order = scores[i, classes.cpu()].argsort()
        chosen = classes[order[: (len(classes) + 1) // 2].to(classes.device)]
        masks.append((one == chosen[:, None, None]).sum(0, keepdim=True))
    return torch.stack(masks).long()


def per_tensor_ema(teacher: Any, student: nn.Module, iteration: int) -> None:
    """EMA update tensor by tensor."""
    alpha = ema_alpha(iteration, teacher.alpha)
    for mine, theirs in zip(teacher.model.parameters(), student.parameters()):
        if not mine.data.shape:
            mine.data = alpha * mine.data + (1 - alpha) * theirs.data
        else:
            mine.data[:] = alpha * mine[:].data[:] + (1 - alpha) * theirs[:].data[:]


def per_parameter_optimizer(networks: dict[str, nn.Module], cfg: dict[str, Any]) -> dict[str, torch.optim.Optimizer]:
    """AdamW with one group per parameter, stepped in a loop."""
    return {
        name: torch.optim.AdamW(
            [{'params': [p]} for p in network.parameters() if p.requires_grad],
            lr=cfg['lr'],
            weight_decay=cfg.get('weight_decay', 0.01),
            foreach=False,
            fused=False,
        )
        for name, network in networks.items()
    }


def accuracy_in_the_step(logits: Tensor, label: Tensor) -> float:
    """Pixel accuracy by ``topk`` on full-resolution logits, copied to the host."""
    full = F.interpolate(logits.detach().float(), size=label.shape[-2:], mode='bilinear', align_corners=False)
    correct = full.topk(1, dim=1).indices[:, 0] == label.reshape(len(full), *label.shape[-2:])
    return correct.float().mean().item()

"""What a report shows of video runs: a prediction beside the one that the frame before hands on, and fusion weights."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Sequence

import cv2
import numpy as np
import torch
from mmcv.parallel import collate
from torch import Tensor, nn

from ..datasets.labels import read_picture
from ..datasets.video import VideoDataset
from ..models.segmentors.flow_fused import ScoreFusion
from ..ops.flow import resize_flow, warp_nearest
from .evaluation_sets import named_test_sets
from .flow_tool import color_wheel
from .inference import inference_mode
from .predictions import colorize
from .report_data import naming_imports, run_config
from .report_page import Panel
from .report_runs import RunLog
from .temporal import FramePairs, predict_sample
from .test import load_model

AGREE, DIFFER, HIDDEN = (235, 235, 235), (200, 40, 40), (120, 120, 120)


@dataclass
class ClipReport:
    """Pictures of clips, a row for each pair of frames and run, and the fusion layers of the networks by run."""

    panels: list[Panel] = field(default_factory=list)
    fusions: dict[str, Any] = field(default_factory=dict)


def make_clips(runs: Sequence[RunLog], count: int, device: torch.device, height: int = 160) -> ClipReport:
    """Clips and fusion weights of the runs that were tested on videos and have a checkpoint.

    Args:
        count: evenly spaced pairs of frames of each test set.
        height: of the pictures.
    """
    found = ClipReport()
    for run in runs if count > 0 else ():
        checkpoint = run.folder / 'latest.pth'
        if not checkpoint.exists():
            continue
        cfg = run_config(checkpoint)
        with naming_imports(cfg):
            sets = {name: data for name, data in named_test_sets(cfg).items() if isinstance(data, VideoDataset)}
        if not sets:
            continue
        model = load_model(cfg, str(checkpoint), None, device)
        for data in sets.values():
            pairs = FramePairs(data)
            shown = np.unique(np.linspace(0, len(pairs) - 1, count).round().astype(int))
            with inference_mode(model, device):
                found.panels += [clip_panel(run.title, model, pairs, int(item), device, height) for item in shown]
        fusion = next((module for module in model.modules() if isinstance(module, ScoreFusion)), None)
        if fusion is not None:
            found.fusions[run.title] = fusion_figure(fusion.weight[:, :, 0, 0], next(iter(sets.values())).CLASSES)
    return found


def clip_panel(title: str, model: nn.Module, pairs: FramePairs, item: int, device: torch.device, height: int) -> Panel:
    """A pair of frames, the flow between them, both predictions at the current frame's pixels, and where they agree.

    Args:
        pairs: of the data set; ``item`` is the place in it.
    """
    data = pairs.current
    sample = pairs[item]
    names = data.img_infos[pairs.indices[item]]['filename'], pairs.previous.img_infos[item]['filename']
    before, frame = (read_picture(f'{data.img_dir}/{name}')[..., ::-1] for name in reversed(names))
    labels = [predict_sample(model, collate([sample[key]], 1), device) for key in ('current', 'previous')]
    flow = resize_flow(sample['flow'].data, labels[0].shape)
    hidden = cv2.resize(
        sample['hidden'].data[0, 0].numpy().astype(np.uint8), labels[0].shape[::-1], interpolation=cv2.INTER_NEAREST
    ).astype(bool)
    moved = warp_nearest(torch.from_numpy(labels[1].astype(np.int64))[None, None], flow)[0, 0].numpy()
    agreement = np.full((*moved.shape, 3), DIFFER, np.uint8)
    agreement[moved == labels[0]] = AGREE
    agreement[hidden] = HIDDEN
    share = float((moved == labels[0])[~hidden].mean()) if (~hidden).any() else float('nan')
    pictures = {
        'frame before': before,
        'frame': frame,
        'flow': color_wheel(flow[0].numpy())[..., ::-1],
        'moved prediction': colorize(moved.astype(np.uint8), data.PALETTE),
        'prediction': colorize(labels[0].astype(np.uint8), data.PALETTE),
        'agreement': agreement,
    }
    width = round(frame.shape[1] * height / frame.shape[0])
    fitted = {
        name: cv2.resize(np.ascontiguousarray(picture), (width, height), interpolation=cv2.INTER_AREA)
        for name, picture in pictures.items()
    }
    return Panel(names[0], fitted, f'{title}: {names[0]}, {100 * share:.1f} % of the visible pixels agree')


def fusion_figure(weight: Tensor, classes: Sequence[str]) -> Any:
    """The learned 1x1 fusion as two heat maps: what it changed at the current frame's scores, and what it takes of the
    moved ones of the frame before.

    Args:
        weight: (C, 2C).
        classes: C names.
    """
    from matplotlib.figure import Figure

    count = len(classes)
    current, key = weight.detach().float().cpu().split(count, 1)
    figure = Figure(figsize=(11, 5.2), layout='constrained')
    axes = figure.subplots(1, 2)
    limit = max(float((current - torch.eye(count)).abs().max()), float(key.abs().max()), 1e-6)
    parts = (('current frame, minus identity', current - torch.eye(count)), ('frame before, moved', key))
    for axis, (title, values) in zip(axes, parts):
        image = axis.imshow(values.numpy(), cmap='RdBu', vmin=-limit, vmax=limit)
        axis.set(title=title, xticks=range(count), yticks=range(count), xlabel='score of', ylabel='fused score of')
        axis.set_xticklabels(classes, rotation=90, fontsize=8)
        axis.set_yticklabels(classes, fontsize=8)
    figure.colorbar(image, ax=axes, shrink=0.8)
    return figure

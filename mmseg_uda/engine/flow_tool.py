"""Computing, checking and looking at optical flow (``tools/flow.py``)."""

from __future__ import annotations

import argparse
import json
from functools import lru_cache, partial
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Optional, Sequence

import cv2
import numpy as np
import torch

from ..datasets.clips import FLOWS
from ..datasets.flow_files import write_flow
from ..datasets.flow_sources import FlowSource, Frame, build_flow_source
from ..datasets.labels import decode_image, read_bytes
from ..datasets.uda_dataset import build_parts
from ..datasets.video import VideoDataset
from ..ops.flow import occluded, resize_flow, warp, warp_nearest
from ..options.flow import parse_args
from ..utils.parallel import map_files
from ..utils.progress import progress
from . import environment


class Pair(NamedTuple):
    """Two frames of a video: paths, the file name of the flow between them, and the indices in the data set."""

    current: str
    earlier: str
    name: str
    stem: str
    earlier_stem: str


def main(argv: Optional[Sequence[str]] = None) -> dict[str, Any]:
    """Run the tool; returns what it prints as figures."""
    args = parse_args(argv)
    cfg = environment.load_config(args.config, args.cfg_options)
    environment.prepare_data(cfg)
    source = _source(args)
    found: dict[str, Any] = {}
    for name, dataset in video_data_sets(cfg, args.only).items():
        pairs = list(pairs_of(dataset, args.far))[: args.limit]
        if args.action == 'compute':
            found[name] = _compute(pairs, source, Path(args.out), args.suffix, 0 if args.raft else args.nproc)
        elif args.action == 'check':
            found[name] = _check(dataset, pairs, source)
        else:
            found[name] = _show(name, pairs, source, Path(args.out))
        print(f'{name}: {found[name]}', flush=True)
    return found


def _source(args: argparse.Namespace) -> dict[str, Any]:
    if args.files:
        return dict(type='FlowFiles', root=args.files)
    if args.raft:
        return dict(type='RAFTFlow', weights=args.raft, size=args.raft_size, grid=args.grid)
    return dict(type='DISFlow', preset=args.preset, grid=args.grid)


def video_data_sets(cfg: Any, only: Optional[str] = None) -> dict[str, VideoDataset]:
    """The video data sets of a config by name; of several equal ones the first.

    Raises:
        ValueError: there is none, or not under that name.
    """
    data = cfg.data
    train = data.get('train') or {}
    parts = {name: train.get(name) for name in ('source', 'target')}
    parts.update({name: data.get(name) for name in ('val', 'test')})
    found: dict[str, VideoDataset] = {}
    seen: set[str] = set()
    for name, part in parts.items():
        if part is None or (only is not None and name != only):
            continue
        labelled = name != 'target'
        for number, dataset in enumerate(build_parts(_without_pipeline(part), labelled)):
            key = f'{dataset.img_dir} {len(dataset)}'
            if isinstance(dataset, VideoDataset) and key not in seen:
                seen.add(key)
                found[name if number == 0 else f'{name}{number + 1}'] = dataset
    if not found:
        raise ValueError(f'the config has no video data set{f" called {only!r}" if only else ""}')
    return found


def _without_pipeline(part: Any) -> Any:
    parts = part if isinstance(part, (list, tuple)) else [part]
    return [{**one, 'pipeline': []} for one in parts]


def pairs_of(dataset: VideoDataset, far: bool = False) -> Iterator[Pair]:
    """The frame pairs that training or testing reads flow of."""
    for info in dataset.img_infos:
        stem, suffix = dataset.split_name(info['filename'])
        for start, end in FLOWS.values() if far else [FLOWS['flow']]:
            current = dataset.frame_rule.earlier(stem, start) if start else stem
            earlier = dataset.frame_rule.earlier(stem, end)
            if current is not None and earlier is not None:
                paths = [str(Path(dataset.img_dir) / (name + suffix)) for name in (current, earlier)]
                yield Pair(paths[0], paths[1], dataset.frame_rule.flow_name(stem, start, end), current, earlier)


def _frames(pair: Pair) -> tuple[Frame, Frame]:
    current, earlier = (Frame(decode_image(read_bytes(path, 'frame'), path)) for path in (pair.current, pair.earlier))
    return current, earlier


def _write(pair: Pair, source: dict[str, Any], out: Path, suffix: str) -> str:
    target = (out / pair.name).with_suffix(suffix)
    if not target.exists():
        cv2.setNumThreads(0)
        write_flow(target, _kept_source(json.dumps(source))(*_frames(pair), pair.name))
    return str(target)


@lru_cache(maxsize=1)
def _kept_source(text: str) -> FlowSource:
    """The source of a process: a network is loaded once."""
    return build_flow_source(json.loads(text))


def _compute(pairs: Sequence[Pair], source: dict[str, Any], out: Path, suffix: str, workers: int) -> str:
    work = partial(_write, source=source, out=out, suffix=suffix)
    written = list(map_files(work, pairs, 'flow', workers))
    return f'{len(written)} flow files in {out}'


def _check(dataset: VideoDataset, pairs: Sequence[Pair], source: dict[str, Any]) -> dict[str, float]:
    """Mean absolute difference of grey values, share of pixels that pass the forward-backward check, and, where both
    labels are there, the agreement of labels (share of pixels, mean IoU): as they are and moved by the flow."""
    flow_of = build_flow_source(source)
    rows: list[dict[str, float]] = []
    confusions = {name: np.zeros((len(dataset.CLASSES),) * 2, np.int64) for name in ('copied', 'warped')}
    for pair in progress(pairs, 'check', len(pairs)):
        current, earlier = _frames(pair)
        size = current.img.shape[:2]
        flow = resize_flow(torch.from_numpy(flow_of(current, earlier, pair.name))[None], size)
        row = {'flow length': float(flow.norm(dim=1).mean())}
        grey = [torch.from_numpy(cv2.cvtColor(f.img, cv2.COLOR_BGR2GRAY))[None, None] for f in (current, earlier)]
        row['grey difference, copied'] = float((grey[1].float() - grey[0].float()).abs().mean())
        row['grey difference, warped'] = float((warp(grey[1], flow) - grey[0].float()).abs().mean())
        if source['type'] != 'FlowFiles':
            back = resize_flow(torch.from_numpy(flow_of(earlier, current, pair.name))[None], size)
            row['pass forward-backward'] = float((~occluded(flow, back)).float().mean())
        labels = [_label(dataset, stem) for stem in (pair.stem, pair.earlier_stem)]
        if all(label is not None and label.shape == size for label in labels):
            maps = [torch.from_numpy(np.array(label)).long()[None, None] for label in labels]
            moved = dict(copied=maps[1], warped=warp_nearest(maps[1], flow))
            for name, label in moved.items():
                confusions[name] += _confusion(label, maps[0], len(dataset.CLASSES))
        rows.append(row)
    names = sorted({name for row in rows for name in row})
    found = {name: float(np.mean([row[name] for row in rows if name in row])) for name in names}
    for name, counts in confusions.items():
        if counts.any():
            found[f'labels agree, {name}'] = float(np.trace(counts) / counts.sum())
            found[f'labels mIoU, {name}'] = _mean_iou(counts)
    return {name: round(value, 4) for name, value in found.items()}


def _confusion(label: torch.Tensor, truth: torch.Tensor, classes: int) -> np.ndarray:
    """Pixels by (true, moved) class, where neither is ignored."""
    valid = (label < classes) & (truth < classes)
    pairs = truth[valid] * classes + label[valid]
    return torch.bincount(pairs, minlength=classes**2).view(classes, classes).numpy()


def _mean_iou(counts: np.ndarray) -> float:
    """Mean IoU of the classes that occur."""
    union = counts.sum(0) + counts.sum(1) - np.diag(counts)
    return float((np.diag(counts)[union > 0] / union[union > 0]).mean())


def _label(dataset: VideoDataset, stem: str) -> Optional[np.ndarray]:
    if dataset.ann_dir is None:
        return None
    path = Path(dataset.ann_dir) / dataset.label_name(stem)
    return dataset.label_reader.read(path) if path.exists() else None


def _show(name: str, pairs: Sequence[Pair], source: dict[str, Any], out: Path) -> str:
    flow_of = build_flow_source(source)
    out.mkdir(parents=True, exist_ok=True)
    for number, pair in enumerate(progress(pairs, 'show', len(pairs))):
        current, earlier = _frames(pair)
        flow = flow_of(current, earlier, pair.name)
        if not cv2.imwrite(str(out / f'{name}_{number:04d}.jpg'), picture(current.img, earlier.img, flow)):
            raise OSError(f"cannot write into '{out}'")
    return f'{len(pairs)} pictures in {out}'


def picture(current: np.ndarray, earlier: np.ndarray, flow: np.ndarray) -> np.ndarray:
    """Current frame, earlier frame, flow, warped earlier frame, and error side by side: uint8 BGR."""
    size = current.shape[:2]
    field = resize_flow(torch.from_numpy(flow)[None], size)
    warped = warp(torch.from_numpy(earlier.transpose(2, 0, 1))[None], field)[0].numpy().transpose(1, 2, 0)
    error = np.clip(np.abs(warped - current).mean(-1) * 4, 0, 255).astype(np.uint8)
    cells = [current, earlier, color_wheel(field[0].numpy()), warped.astype(np.uint8)]
    return np.concatenate([*cells, cv2.cvtColor(error, cv2.COLOR_GRAY2BGR)], 1)


def color_wheel(flow: np.ndarray, longest: Optional[float] = None) -> np.ndarray:
    """Flow (2, H, W) as colours: direction as hue, length as saturation; uint8 BGR.

    Args:
        longest: length of full saturation; None = the 99th percentile.
    """
    length, angle = np.hypot(*flow), np.arctan2(flow[1], flow[0])
    full = longest if longest is not None else max(float(np.percentile(length, 99)), 1e-3)
    hsv = np.stack([(angle / np.pi + 1) * 90, np.clip(length / full, 0, 1) * 255, np.full_like(length, 255)], -1)
    return cv2.cvtColor(hsv.astype(np.uint8), cv2.COLOR_HSV2BGR)

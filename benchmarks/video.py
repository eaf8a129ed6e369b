"""Table, panels and overlay video of the toy video runs.

``python benchmarks/video.py WORK_DIR`` scores the runs below WORK_DIR (a folder each, named like the rows below and
ending in ``.s<seed>``), puts what it finds into benchmarks/results/video_cpu.json, and draws pictures into ``--out``;
``--table`` writes the table of docs/benchmarks/video.md from that file.
"""

import argparse
import json
from pathlib import Path
from typing import Any, Mapping, NamedTuple

import cv2
import numpy as np
import torch
from mmcv import Config
from mmcv.parallel import collate

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.engine import environment
from mmseg_uda.engine.evaluation import evaluate_all
from mmseg_uda.engine.evaluation_sets import named_test_sets
from mmseg_uda.engine.inference import inference_mode
from mmseg_uda.engine.predict_inputs import test_steps
from mmseg_uda.engine.predict_video import predict_video
from mmseg_uda.engine.predictions import colorize
from mmseg_uda.engine.predictor import Predictor
from mmseg_uda.engine.report_clips import fusion_figure
from mmseg_uda.engine.temporal import AGREEMENT, predict_sample, temporal_consistency
from mmseg_uda.engine.temporal import MIOU as TEMPORAL_MIOU
from mmseg_uda.engine.test import load_model
from mmseg_uda.models.segmentors.flow_fused import FlowFusedSegmentor, ScoreFusion
from mmseg_uda.ops.clips import unpack_clip
from mmseg_uda.ops.flow import resize_flow
from mmseg_uda.ops.video import propagate_by_splat
from mmseg_uda.toy.motion import Drive
from mmseg_uda.toy.sequences import draw_drive, look_of

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / 'benchmarks/results/video_cpu.json'
PAGE = ROOT / 'docs/benchmarks/video.md'
BEGIN, END = '<!-- table: python benchmarks/video.py --table -->', '<!-- end of the table -->'
TOY = 'toy_viper_seq_to_toy_cityscapes_seq'
SHOWN = ('road', 'building', 'vegetation', 'sky', 'car')
STEADY = (AGREEMENT, TEMPORAL_MIOU)


class Row(NamedTuple):
    """A method: title, config, and the folder of its last stage."""

    title: str
    config: str
    last: str = '.'


ROWS = {
    'source_only_frame': Row('source-only, per frame', f'source_only/{TOY}_frame'),
    'source_only_accel': Row('source-only, clips', f'source_only/{TOY}_accel'),
    'dacs': Row('DACS, per frame', f'dacs/{TOY}'),
    'mic': Row('MIC on DACS, per frame', f'mic/{TOY}'),
    'davsn': Row('DA-VSN', f'davsn/{TOY}'),
    'tps': Row('TPS', f'tps/{TOY}'),
    'quadmix_video': Row('video QuadMix, teacher with batch statistics', f'quadmix_video/{TOY}'),
    'quadmix_video_running': Row('video QuadMix, default teacher', f'quadmix_video/{TOY}'),
    'quadmix_video_stages': Row(
        'TPS for 250 iterations, then video QuadMix, default teacher', f'quadmix_video/{TOY}', '2_quadmix'
    ),
}
CPU = torch.device('cpu')


def figures_of_log(folder: Path) -> dict[str, float]:
    """Median time of a step and of waiting for data, in seconds."""
    lines = [json.loads(line) for path in folder.glob('*.log.json') for line in path.read_text().splitlines()]
    steps = [line for line in lines if line.get('mode') == 'train']
    return {key: float(np.median([line[key] for line in steps])) for key in ('time', 'data_time')} if steps else {}


def drive_of_frames(out: Path, frames: int) -> Path:
    """Frames of a longer drive through the toy city."""
    out.mkdir(parents=True, exist_ok=True)
    drive = Drive(speed=0.4, yaw=0.3, frames=frames, seed=(12, 2))
    pictures, _ = draw_drive(look_of('cityscapes_seq', 1.0), 256, 128, (12,), drive)
    for time, (image, _) in enumerate(pictures):
        cv2.imwrite(str(out / f'{time:04d}.png'), image[..., ::-1])
    return out


def panel(models: dict[str, Any], sets: dict[str, Any], indices: list[int]) -> np.ndarray:
    """Frame, truth and every prediction, a row for each index; uint8 BGR."""
    rows = []
    for index in indices:
        dataset = next(iter(sets.values()))
        info = dataset.img_infos[index]
        image = cv2.imread(f'{dataset.img_dir}/{info["filename"]}')
        truth = dataset.get_gt_seg_map_by_idx(index)
        cells = [image, colorize(truth, dataset.PALETTE)[..., ::-1]]
        for name, model in models.items():
            with inference_mode(model, CPU):
                sample = collate([sets[name][index]], samples_per_gpu=1)
                cells.append(colorize(predict_sample(model, sample, CPU).astype(np.uint8), dataset.PALETTE)[..., ::-1])
        rows.append(np.concatenate(cells, 1))
    return np.concatenate(rows)


def propagated(model: Any, dataset: Any, index: int) -> np.ndarray:
    """DA-VSN at a frame: the frame, its prediction, that of the key frame, the pushed one (black: holes), and the
    weight of the consistency (white: counts); uint8 BGR."""
    fused = next(module for module in model.modules() if isinstance(module, FlowFusedSegmentor))
    with inference_mode(model, CPU):
        sample = collate([dataset[index]], samples_per_gpu=1)
        clip = unpack_clip(sample['img'][0])
        scores = fused.clip_scores(clip, ('decode',))
        current, key = scores.current['decode'], scores.key['decode']
        seen = propagate_by_splat(current, key, resize_flow(clip.flow, tuple(current.shape[2:])))
    maps = [score[0].argmax(0).numpy().astype(np.uint8) for score in (current, key, seen.prob)]
    cells = [colorize(label, dataset.PALETTE) for label in maps]
    cells[2][(seen.prob[0].sum(0) == 0).numpy()] = 0
    cells.append((255 * seen.weight[0].clamp(0, 1)).numpy().astype(np.uint8)[..., None].repeat(3, -1))
    image = cv2.imread(f'{dataset.img_dir}/{dataset.img_infos[index]["filename"]}')
    size = image.shape[1::-1]
    large = [cv2.resize(cell[..., ::-1], size, interpolation=cv2.INTER_NEAREST) for cell in cells]
    return np.concatenate([image, *large], 1)


def score(name: str, folder: Path, old: Mapping[str, Any], again: bool) -> tuple[dict[str, Any], Any, Any]:
    """Figures of a run (in percent; times in seconds), its network and its test set."""
    cfg: Config = environment.load_config(str(ROOT / f'configs/{ROWS[name].config}.py'))
    environment.prepare_data(cfg)
    datasets = named_test_sets(cfg, 'test')
    dataset = datasets['target']
    model = load_model(cfg, str(folder / 'latest.pth'), None, CPU)
    if old and not again:
        return dict(old), model, dataset
    found = evaluate_all(model, datasets, CPU, workers=0)
    found.update(temporal_consistency(model, dataset, CPU, workers=0))
    percent = {key: round(100 * value, 2) for key, value in found.items() if not key.startswith('Acc.')}
    times = {key: round(value, 4) for key, value in figures_of_log(folder).items()}
    meta = torch.load(folder / 'latest.pth', map_location='cpu', weights_only=False)['meta']
    return {**percent, **times, 'code': meta.get('code', {}).get('code of mmseg_uda', 'not recorded')}, model, dataset


def score_all(args: argparse.Namespace) -> None:
    """Score every run, write the results, and draw the pictures from the first seed."""
    results = json.loads(RESULTS.read_text(encoding='utf-8'))
    models, sets = {}, {}
    for name, row in ROWS.items():
        for run in sorted(args.work_dir.glob(f'{name}.s[0-9]')):
            folder = run / row.last
            if not (folder / 'latest.pth').exists():
                continue
            found, model, dataset = score(name, folder, results['runs'].get(run.name, {}), args.again)
            results['runs'][run.name] = found
            print(run.name, {key: found[key] for key in ('mIoU', *STEADY)}, flush=True)
            models.setdefault(name, model)
            sets.setdefault(name, dataset)
            RESULTS.write_text(json.dumps(results, indent=1) + '\n', encoding='utf-8')
    args.out.mkdir(parents=True, exist_ok=True)
    print('columns: frame, truth,', ', '.join(models))
    cv2.imwrite(str(args.out / 'panels.jpg'), panel(models, sets, [0, 7, 14, 21]), [cv2.IMWRITE_JPEG_QUALITY, 85])
    frames = drive_of_frames(args.out / 'drive', args.frames)
    for name in ('tps', 'dacs'):
        if name in models:
            cfg = environment.load_config(str(ROOT / f'configs/{ROWS[name].config}.py'))
            target = args.out / f'{name}.mp4'
            predictor = Predictor(models[name], test_steps(cfg), CPU, sets[name].CLASSES, sets[name].PALETTE)
            print(name, predict_video(predictor, frames, target))
    if 'davsn' in models:
        rows = [propagated(models['davsn'], sets['davsn'], index) for index in (7, 14)]
        cv2.imwrite(str(args.out / 'davsn.jpg'), np.concatenate(rows), [cv2.IMWRITE_JPEG_QUALITY, 88])
    if 'tps' in models:
        fusion = next(module for module in models['tps'].modules() if isinstance(module, ScoreFusion))
        fusion_figure(fusion.weight[:, :, 0, 0], sets['tps'].CLASSES).savefig(args.out / 'fusion.png', dpi=70)


def table(runs: Mapping[str, Mapping[str, float]]) -> str:
    """A row for each method: the mean over its seeds, and every seed's mIoU and agreement."""
    lines = [
        f'| | mIoU (seeds) | temporal agreement (seeds) | temporal mIoU | IoU {" / ".join(SHOWN)} | s/iteration | '
        'waiting for data |',
        '|---' * 7 + '|',
    ]
    for name, row in ROWS.items():
        found = [runs[key] for key in sorted(runs) if key.rpartition('.s')[0] == name]
        if not found:
            continue

        def mean(key: str, of: Any = tuple(found)) -> float:
            return float(np.mean([run[key] for run in of]))

        def both(key: str, of: Any = tuple(found)) -> str:
            return f'{np.mean([run[key] for run in of]):.1f} ({", ".join(f"{run[key]:.1f}" for run in of)})'

        fastest = min(found, key=lambda run: run['time'])
        cells = [row.title, both('mIoU'), both(AGREEMENT), f'{mean(TEMPORAL_MIOU):.1f}']
        cells.append(' / '.join(f'{mean(f"IoU.{cls}"):.0f}' for cls in SHOWN))
        cells += [f'{fastest["time"]:.2f}', f'{100 * fastest["data_time"] / fastest["time"]:.0f} %']
        lines.append(f'| {" | ".join(cells)} |')
    return '\n'.join(lines)


def write_table() -> None:
    """Put the table into the page."""
    page = PAGE.read_text(encoding='utf-8')
    before, rest = page.split(BEGIN)
    runs = json.loads(RESULTS.read_text(encoding='utf-8'))['runs']
    PAGE.write_text(f'{before}{BEGIN}\n{table(runs)}\n{END}{rest.split(END)[1]}', encoding='utf-8')


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dir', type=Path, nargs='?')
    parser.add_argument('--out', type=Path, default=Path('work_dirs/video'))
    parser.add_argument('--frames', type=int, default=40, help='of the overlay video')
    parser.add_argument('--again', action='store_true', help='score runs again that the results hold')
    parser.add_argument('--table', action='store_true', help='write the table of the page')
    args = parser.parse_args()
    if args.work_dir is not None:
        score_all(args)
    if args.table:
        write_table()


if __name__ == '__main__':
    main()

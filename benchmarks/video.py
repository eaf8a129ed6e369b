"""Table, panels and overlay video of the toy video runs: ``python benchmarks/video.py WORK_DIR``.

WORK_DIR holds a folder for each run, named like the rows below and ending in ``.s<seed>``, as
``python tools/train.py CONFIG --work-dir WORK_DIR/tps.s0 --seed 0`` writes it. Prints a row for each checkpoint: mIoU,
temporal consistency, and the time of a step and of waiting for data from its log.
"""

import argparse
import json
from pathlib import Path
from typing import Any

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
from mmseg_uda.engine.predict import test_pipeline
from mmseg_uda.engine.predict_video import predict_video
from mmseg_uda.engine.predictions import colorize
from mmseg_uda.engine.temporal import predict_sample, temporal_consistency
from mmseg_uda.engine.test import load_model
from mmseg_uda.toy.motion import Drive
from mmseg_uda.toy.sequences import draw_drive, look_of

TOY = 'toy_viper_seq_to_toy_cityscapes_seq'
#: row -> config
ROWS = {
    'source_only_frame': f'source_only/{TOY}_frame',
    'source_only_accel': f'source_only/{TOY}_accel',
    'dacs': f'dacs/{TOY}',
    'mic': f'mic/{TOY}',
    'davsn': f'davsn/{TOY}',
    'tps': f'tps/{TOY}',
    'quadmix_video': f'quadmix_video/{TOY}',
    'quadmix_video_running': f'quadmix_video/{TOY}',
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


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('work_dir', type=Path)
    parser.add_argument('--out', type=Path, default=Path('work_dirs/video'))
    parser.add_argument('--frames', type=int, default=40, help='of the overlay video')
    args = parser.parse_args()
    models, sets, table = {}, {}, {}
    for row, path in ROWS.items():
        for folder in sorted(args.work_dir.glob(f'{row}.s[0-9]')):
            checkpoint = folder / 'latest.pth'
            if not checkpoint.exists():
                continue
            cfg: Config = environment.load_config(f'configs/{path}.py')
            environment.prepare_data(cfg)
            datasets = named_test_sets(cfg, 'test')
            dataset = datasets['target']
            model = load_model(cfg, str(checkpoint), None, CPU)
            found = evaluate_all(model, datasets, CPU, workers=0)
            found.update(temporal_consistency(model, dataset, CPU, workers=0), **figures_of_log(folder))
            table[folder.name] = {key: value for key, value in found.items() if not key.startswith('Acc.')}
            shown = ('mIoU', 'temporal.agreement', 'temporal.mIoU', 'time', 'data_time')
            print(folder.name, {key: round(found[key], 4) for key in shown if key in found}, flush=True)
            models.setdefault(row, model)
            sets.setdefault(row, dataset)
    args.out.mkdir(parents=True, exist_ok=True)
    (args.out / 'video.json').write_text(json.dumps(table, indent=1))
    print('columns: frame, truth,', ', '.join(models))
    cv2.imwrite(str(args.out / 'panels.jpg'), panel(models, sets, [0, 7, 14, 21]), [cv2.IMWRITE_JPEG_QUALITY, 85])
    frames = drive_of_frames(args.out / 'drive', args.frames)
    for row in ('tps', 'dacs'):
        if row in models:
            cfg = environment.load_config(f'configs/{ROWS[row]}.py')
            target = args.out / f'{row}.mp4'
            palette = sets[row].PALETTE
            print(row, predict_video(models[row], test_pipeline(cfg), frames, target, CPU, palette))


if __name__ == '__main__':
    main()

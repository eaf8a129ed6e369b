"""Processor seconds of whole commands in two checkouts, in turn: training steps, evaluation from file to file, start.

``all.py --against CHECKOUT`` runs it; the other checkout only needs the same commands.
"""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Iterator, Optional, Sequence

ROOT = Path(__file__).resolve().parents[1]
#: configs whose steps are compared, and what they are
STEPS = {
    'configs/dacs/camvid_day_to_dusk_segformer_efficientnet_lite0.py': (
        'DACS, CamVid, EfficientNet-Lite0, 256x256, batch 4'
    ),
    'configs/dacs/toy_gta_to_toy_cityscapes.py': 'DACS, toy world, EfficientNet-Lite0 to 1/16, 128x256, batch 4',
}
#: tools that answer questions about images from file to file, with their arguments
TOOLS = {
    'tools/test.py': ('tools/test.py', '{config}', '{weights}', '--work-dir', '{out}'),
    'tools/predict.py': ('tools/predict.py', '{config}', '{weights}', '{images}', '--out', '{out}'),
    '... extract --criterion entropy': (
        *('tools/pseudo_labels.py', 'extract', '{config}', '{weights}', '--out', '{out}', '--criterion', 'entropy'),
    ),
    '... extract --criterion max_prob': (
        *('tools/pseudo_labels.py', 'extract', '{config}', '{weights}', '--out', '{out}', '--criterion', 'max_prob'),
    ),
}
SPLIT = dict(img_dir='leftImg8bit/train', ann_dir='gtFine/train')
TARGET = dict(
    _delete_=True,
    type='CityscapesDataset',
    data_root='data/cityscapes/',
    img_dir=SPLIT['img_dir'],
    pipeline=[dict(type='TrainingCrops', img_scale=(1024, 512), crop_size=(512, 512))],
)


def run(checkout: Path, arguments: Sequence[str], folder: Path) -> tuple[float, str]:
    """A command of a checkout in ``folder``: (processor seconds, what it printed).

    Raises:
        RuntimeError: it failed; with the end of what it printed.
    """
    environment = {**os.environ, 'PYTHONPATH': str(checkout), 'OMP_NUM_THREADS': '1', 'MKL_NUM_THREADS': '1'}
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = subprocess.run([sys.executable, *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f'{" ".join(arguments)} in {checkout} failed:\n{(done.stdout + done.stderr)[-2000:]}')
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def in_turn(older: Path, rounds: int, measure: Callable[[Path], Any]) -> list[list[Any]]:
    """``measure`` of both checkouts, A B A B: [values of the older one, values of this one]."""
    values: list[list[Any]] = [[], []]
    for _ in range(rounds):
        for found, checkout in zip(values, (older, ROOT)):
            found.append(measure(checkout))
    return values


def steps(older: Path, rounds: int, count: int = 10) -> Iterator[dict[str, Any]]:
    """Least and median processor seconds of training steps; the data are those of this checkout."""
    for config, title in STEPS.items():

        def measure(checkout: Path, config: str = config) -> list[float]:
            script = str(ROOT / 'benchmarks' / 'step_time.py')
            _, printed = run(checkout, [script, str(checkout / config), '--steps', str(count)], ROOT)
            return [float(value) for value in re.findall(r'([\d.]+) (?:least|median)', printed)]

        values = in_turn(older, rounds, measure)
        least, median = ([min(one[i] for one in side) for side in values] for i in (0, 1))
        yield dict(name=title, least=least, median=median)


def big_images(folder: Path) -> tuple[Path, int]:
    """Drawn 2048x1024 images and random weights of SegFormer with MiT-B0 below ``folder``: (weights, images)."""
    import torch

    import mmseg_uda  # noqa: F401  (first: it prepares mmcv)

    # isort: split
    from mmcv import Config
    from mmseg.datasets import CityscapesDataset
    from mmseg.models import build_segmentor

    from mmseg_uda.builder import with_num_classes
    from mmseg_uda.toy import ensure_toy_world

    roots = ensure_toy_world(folder / 'data', ('gta', 'cityscapes'), 1, width=2048, height=1024, scale=0.03)
    model = with_num_classes(Config.fromfile(str(ROOT / 'configs/_base_/models/segformer_b0.py')).model, 19)
    model.pretrained = None
    torch.manual_seed(0)
    weights = folder / 'random.pth'
    meta = dict(CLASSES=CityscapesDataset.CLASSES, PALETTE=CityscapesDataset.PALETTE)
    torch.save(dict(state_dict=build_segmentor(model).state_dict(), meta=meta), weights)
    return weights, len(list((roots['cityscapes'] / SPLIT['img_dir']).rglob('*.png')))


def tools(older: Path, rounds: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Processor seconds an image, loading of the network included, of the commands of :data:`TOOLS`."""
    weights, images = big_images(folder)
    for title, arguments in TOOLS.items():

        def measure(checkout: Path, arguments: Sequence[str] = arguments) -> float:
            config = folder / 'config.py'
            base = checkout / 'configs/source_only/gta_segformer_b0.py'
            data = dict(train=dict(target=TARGET), val=SPLIT, test=SPLIT)
            config.write_text(f'_base_ = [{str(base)!r}]\ndata = {data}\n')
            out = folder / 'out'
            shutil.rmtree(out, ignore_errors=True)
            places = dict(
                config=str(config), weights=str(weights), out=str(out), images=f'data/cityscapes/{SPLIT["img_dir"]}'
            )
            spent, _ = run(
                checkout, [str(checkout / arguments[0]), *(a.format(**places) for a in arguments[1:])], folder
            )
            return spent / images

        values = in_turn(older, rounds, measure)
        yield dict(name=title, images=images, least=[min(side) for side in values])


def start(folder: Path, older: Optional[Path] = None) -> dict[str, Any]:
    """Processor seconds until a command answers: ``--help`` of the slowest tool, and a toy run of one iteration."""

    def slowest_help(checkout: Path) -> list[Any]:
        answers = [(run(checkout, [str(tool), '--help'], ROOT)[0], tool.name) for tool in tools_of(checkout)]
        return list(max(answers))

    def first_iteration(checkout: Path) -> float:
        config = str(checkout / 'configs/dacs/toy_gta_to_toy_cityscapes.py')
        once = ['runner.max_iters=1', 'evaluation.interval=9', 'checkpoint_config.interval=9', 'data.workers_per_gpu=0']
        work = ['--work-dir', str(folder / f'first_{time.monotonic_ns()}')]
        return run(checkout, [str(checkout / 'tools/train.py'), config, *work, '--cfg-options', *once], ROOT)[0]

    checkouts = [ROOT] if older is None else [older, ROOT]
    return dict(
        help=[slowest_help(checkout) for checkout in checkouts],
        first=[min(first_iteration(checkout) for _ in range(2)) for checkout in checkouts],
    )


def tools_of(checkout: Path) -> list[Path]:
    """The tools of a checkout that are run as programs."""
    return sorted((checkout / 'tools').glob('*.py'))

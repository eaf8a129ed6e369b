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
#: folders of drawn images: many, and few
SPLITS = ('train', 'val')
CONFIG = """_base_ = [{base!r}]
data = dict(
    train=dict(
        target=dict(
            _delete_=True,
            type='CityscapesDataset',
            data_root='data/cityscapes/',
            img_dir='leftImg8bit/{split}',
            pipeline=[dict(type='TrainingCrops', img_scale=(1024, 512), crop_size=(512, 512))],
        ),
    ),
    val=dict(img_dir='leftImg8bit/{split}', ann_dir='gtFine/{split}'),
    test=dict(img_dir='leftImg8bit/{split}', ann_dir='gtFine/{split}'),
)
"""


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


def big_images(folder: Path) -> tuple[Path, list[int]]:
    """Drawn 2048x1024 images and random weights of SegFormer with MiT-B0 below ``folder``: (weights, images of each of
    :data:`SPLITS`)."""
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
    images = roots['cityscapes'] / 'leftImg8bit'
    return weights, [len(list((images / split).rglob('*.png'))) for split in SPLITS]


def tools(older: Path, rounds: int, folder: Path) -> Iterator[dict[str, Any]]:
    """Processor seconds of one more image, of the commands of :data:`TOOLS`: the difference of many and few images."""
    weights, (many, few) = big_images(folder)
    for title, arguments in TOOLS.items():

        def measure(checkout: Path, arguments: Sequence[str] = arguments) -> float:
            base = str(checkout / 'configs/source_only/gta_segformer_b0.py')
            spent = []
            for split in SPLITS:
                config, out = folder / 'config.py', folder / 'out'
                config.write_text(CONFIG.format(base=base, split=split))
                shutil.rmtree(out, ignore_errors=True)
                images = f'data/cityscapes/leftImg8bit/{split}'
                places = dict(config=str(config), weights=str(weights), out=str(out), images=images)
                command = [str(checkout / arguments[0]), *(part.format(**places) for part in arguments[1:])]
                spent.append(run(checkout, command, folder)[0])
            return (spent[0] - spent[1]) / (many - few)

        values = in_turn(older, rounds, measure)
        yield dict(name=title, images=[many, few], least=[min(side) for side in values])


def start(folder: Path, older: Optional[Path] = None) -> dict[str, Any]:
    """Processor seconds until a command answers: ``--help`` of the training tool, and a toy run of one iteration."""

    def answer(checkout: Path) -> float:
        return run(checkout, [str(checkout / 'tools/train.py'), '--help'], ROOT)[0]

    def first_iteration(checkout: Path) -> float:
        config = str(checkout / 'configs/dacs/toy_gta_to_toy_cityscapes.py')
        once = ['runner.max_iters=1', 'evaluation.interval=9', 'checkpoint_config.interval=9', 'data.workers_per_gpu=0']
        work = ['--work-dir', str(folder / f'first_{time.monotonic_ns()}')]
        return run(checkout, [str(checkout / 'tools/train.py'), config, *work, '--cfg-options', *once], ROOT)[0]

    checkouts = [ROOT] if older is None else [older, ROOT]
    return dict(
        help=[min(answer(checkout) for _ in range(2)) for checkout in checkouts],
        first=[min(first_iteration(checkout) for _ in range(2)) for checkout in checkouts],
    )

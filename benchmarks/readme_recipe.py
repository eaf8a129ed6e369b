"""The README's recipe for own data on one config of every family and on images of three sizes: does it adapt?

    python benchmarks/readme_recipe.py --write                          # all of them: about six minutes on one core
    python benchmarks/readme_recipe.py --only configs/esl --size 256x256

The recipe is the README's text with another base; only the network is replaced by a small one, every pixel counts as
confident, and the run ends after one iteration. Each row says the share of target pixels with a weight
(``target.share``; methods that weigh no pixels use all of them), or the sentence with which the run is refused.
"""

from __future__ import annotations

import argparse
import json
import re
import tempfile
import warnings
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import cv2
import numpy as np
import torch
from mmcv import Config

import mmseg_uda  # noqa: F401  (registers everything)
from mmseg_uda.builder import complete_model
from mmseg_uda.engine import environment, train
from mmseg_uda.utils.cli import is_user_error, one_line

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs' / 'reference' / 'checks.md'
RESULTS = ROOT / 'benchmarks' / 'results' / 'readme_recipe_cpu.json'
BEGIN, END = '<!-- written by benchmarks/readme_recipe.py -->', '<!-- end of the written part -->'
SIZES = ((256, 256), (480, 360), (2048, 1024))
BN = dict(type='BN', requires_grad=True)
BACKBONE = dict(
    type='ResNetV1c', depth=18, base_channels=8, num_stages=4, out_indices=(0, 1, 2, 3), strides=(1, 2, 1, 1),
    dilations=(1, 1, 2, 4), norm_cfg=BN, norm_eval=False, style='pytorch', contract_dilation=True,
)  # fmt: skip


def families() -> list[Path]:
    """The first config of every method without pictures of a world of its own (toy, CamVid)."""
    other = 'toy|camvid|stages|labels|supervised|oracle'
    chosen = []
    for folder in sorted((ROOT / 'configs').glob('[!_]*')):
        chosen += [path for path in sorted(folder.glob('*.py')) if not re.search(other, path.name)][:1]
    return chosen


def write_images(folder: Path, size: tuple[int, int]) -> None:
    """Three images and label maps of the recipe's four classes for every folder it names."""
    rng = np.random.default_rng(0)
    width, height = size
    for images, labels in (('game/images', 'game/labels'), ('city', None), ('val/images', 'val/labels')):
        for i in range(3):
            coarse = rng.integers(0, 4, (8, 8)).astype(np.uint8)
            label = cv2.resize(coarse, size, interpolation=cv2.INTER_NEAREST)
            img = label[..., None] * 60 + rng.integers(0, 40, (height, width, 3))
            for name, value in ((images, img), (labels, label)):
                if name is not None:
                    (folder / name).mkdir(parents=True, exist_ok=True)
                    cv2.imwrite(str(folder / name / f'{i}.png'), value.astype(np.uint8))


def recipe(base: Path, data: Path, folder: Path) -> Path:
    """The README's config file on another base and data root."""
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    block = next(b for b in re.findall(r'```python\n(.*?)```', text, re.S) if b.startswith('_base_') and 'mine' in b)
    block = re.sub(r'_base_ = \[[^]]*\]', f'_base_ = [{str(base)!r}]', block)
    path = folder / f'{base.parent.name}.py'
    path.write_text(block.replace("'data/mine'", repr(str(data))), encoding='utf-8')
    return path


def small(cfg: Config) -> None:
    """A small network of the same kind of segmentor, one iteration, one image."""
    classes = complete_model(cfg)['decode_head']['num_classes']
    head = dict(in_channels=64, in_index=3, num_classes=classes, align_corners=False)
    model = dict(
        type='EncoderDecoder', backbone=BACKBONE, pretrained=None, train_cfg=dict(), test_cfg=dict(mode='whole')
    )
    if cfg.model.type == 'HRDAEncoderDecoder':
        crop = cfg.model.hr_crop_size
        model.update(type='HRDAEncoderDecoder', scales=[1, 0.5], hr_crop_size=crop, hr_slide_inference=False)
        model['decode_head'] = dict(type='HRDAHead', single_scale_head='DLV2Head', dilations=(6, 12), **head)
    else:
        fcn = dict(type='FCNHead', channels=16, num_convs=1, concat_input=False, norm_cfg=BN, **head)
        model.update(decode_head=fcn)
        if cfg.model.get('auxiliary_head') is not None:
            model['auxiliary_head'] = dict(fcn, in_channels=32, in_index=2)
    cfg.model = model
    cfg.data.samples_per_gpu, cfg.data.workers_per_gpu = 1, 0
    cfg.runner.max_iters = 1
    cfg.log_config = dict(interval=1, hooks=[])
    if cfg.get('uda'):
        cfg.uda.pop('imnet_feature_dist_lambda', None)  # it needs weights of ImageNet
        trust_all(cfg.uda)


def trust_all(uda: Any) -> None:
    """Let every pixel count: an untrained network is sure of nothing."""
    labeler = uda.get('pseudo_labeler')
    if labeler is not None:  # of an entropy the limit is an upper one
        labeler.threshold = 1.0 if labeler.type == 'EntropyPseudoLabel' else 0.0
    elif 'pseudo_threshold' in uda or uda.type in ('DACS', 'QuadMix'):
        uda.pseudo_threshold = 0.0


def try_config(config: Path, folder: Path) -> str:
    """``adapts ...`` or the sentence of the refusal."""
    try:
        cfg = environment.load_config(str(config))
        small(cfg)
        cfg.work_dir = str(folder / 'run')
        runner = train.train(cfg, torch.device('cpu'), config.name, validate=False)
    except Exception as error:
        if is_user_error(error):
            sentence = one_line(error).replace(str(folder), 'data/mine')
            return re.sub(r'^\w+Error: (\S+\.py: )?', 'refused: ', sentence)
        raise
    share = runner.log_buffer.val_history.get('target.share', [None])[-1]
    return 'trains' if share is None else f'trains, target.share {share:.2f}'


def rows(pattern: str, sizes: Sequence[tuple[int, int]]) -> Iterator[tuple[str, str, str]]:
    """(config, size, outcome) of every family whose config matches."""
    with tempfile.TemporaryDirectory() as name:
        for width, height in sizes:
            data = Path(name) / f'{width}x{height}'
            write_images(data, (width, height))
            for base in families():
                if re.search(pattern, str(base)):
                    outcome = try_config(recipe(base, data, data), data)
                    yield f'{base.parent.name}/{base.name}', f'{width}x{height}', outcome


def table(found: Mapping[str, Mapping[str, str]]) -> str:
    """Outcomes by config and size as Markdown; sentences stand below, numbered."""
    notes: list[str] = []

    def cell(text: str) -> str:
        if not text.startswith('refused: '):
            return text
        if text not in notes:
            notes.append(text)
        return f'refused ({notes.index(text) + 1})'

    sizes = [f'{width}x{height}' for width, height in SIZES]
    lines = ['| config | ' + ' | '.join(sizes) + ' |', '|---' * (1 + len(sizes)) + '|']
    for config, outcomes in sorted(found.items()):
        lines.append(f'| `{config}` | ' + ' | '.join(cell(outcomes.get(size, '')) for size in sizes) + ' |')
    return '\n'.join([*lines, '', *(f'{i + 1}. {note[len("refused: ") :]}' for i, note in enumerate(notes))])


def write(found: Mapping[str, Mapping[str, str]]) -> None:
    """Put the outcomes into the results and the table into the docs page."""
    RESULTS.write_text(json.dumps(found, indent=1, sort_keys=True) + '\n', encoding='utf-8')
    before, rest = PAGE.read_text(encoding='utf-8').split(BEGIN)
    PAGE.write_text(f'{before}{BEGIN}\n{table(found)}\n{END}{rest.split(END)[1]}', encoding='utf-8')


def main() -> None:
    """Print a line for every family and size."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', default='.', help='regular expression on the path of the config')
    parser.add_argument('--size', choices=[f'{w}x{h}' for w, h in SIZES], help='images of this size only')
    parser.add_argument('--write', action='store_true', help=f'renew these cells of {PAGE.name} and {RESULTS.name}')
    args = parser.parse_args()
    warnings.simplefilter('ignore')
    found: dict[str, dict[str, str]] = json.loads(RESULTS.read_text(encoding='utf-8')) if RESULTS.exists() else {}
    sizes = [(w, h) for w, h in SIZES if args.size in (None, f'{w}x{h}')]
    for config, size, outcome in rows(args.only, sizes):
        print(f'| {config} | {size} | {outcome} |', flush=True)
        found.setdefault(config, {})[size] = outcome
        if args.write:
            write(found)


if __name__ == '__main__':
    main()

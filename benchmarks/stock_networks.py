"""Train every network of MMSegmentation's own config tree for one step under three methods; write the docs' table.

    python benchmarks/stock_networks.py --write      # all of them: about ten minutes on one core

Configs with the same kinds of backbone, neck, heads, losses and sampler count as one network; the smallest of them is
taken, with fewer layers, five classes and images of 64 x 64 (more where its pooling needs more). Each either trains
(finite losses, gradients, a prediction) or is refused with a sentence that names the part; anything else is an error of
this package. Rows of a walk that was interrupted are kept and not tried again.
"""

from __future__ import annotations

import argparse
import copy
import gc
import json
import re
import warnings
from pathlib import Path
from typing import Any, Iterator, Mapping, Optional, Sequence

import mmseg
import torch
from mmcv import Config

import mmseg_uda  # noqa: F401  (registers everything)
from mmseg_uda.builder import build_train_model
from mmseg_uda.engine.network_checks import check_heads
from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.engine.step import StepOptions, TrainStep
from mmseg_uda.models.training_interface import logits
from mmseg_uda.utils.cli import is_user_error, one_line
from mmseg_uda.utils.config_errors import naming_config

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs' / 'reference' / 'models.md'
RESULTS = ROOT / 'benchmarks' / 'results' / 'stock_networks_cpu.json'
KEPT = ROOT / 'work_dirs' / 'stock_networks.jsonl'
CONFIGS = Path(mmseg.__file__).parent / '.mim' / 'configs'
BEGIN, END = '<!-- written by benchmarks/stock_networks.py -->', '<!-- end of the written part -->'
METHODS: dict[str, Any] = {
    'source-only': None,
    'DACS': dict(type='DACS', pseudo_threshold=0.2),
    'AdvEnt': dict(type='AdvEnt'),
}
CLASSES, SIZE = 5, 64
#: networks whose pooling needs larger images
LARGE = {'mobilenet_v3': 512}


def types_in(part: Any) -> list[str]:
    """All ``type`` s in a config, from the outside in."""
    if isinstance(part, Mapping):
        own = [str(part['type'])] if 'type' in part else []
        return own + [name for value in part.values() for name in types_in(value)]
    return [name for value in part for name in types_in(value)] if isinstance(part, (list, tuple)) else []


def networks(configs: Path = CONFIGS) -> dict[tuple[str, ...], list[Path]]:
    """The config files of every network, the smallest first, by the kinds of its parts."""
    found: dict[tuple[str, ...], list[Path]] = {}
    for path in sorted(configs.glob('[!_]*/*.py')):
        model = Config.fromfile(str(path)).model
        heads = dict.fromkeys(types_in([model.get(k) for k in ('neck', 'decode_head', 'auxiliary_head')]))
        plain = [name for name in heads if name not in ('SyncBN', 'BN', 'LN', 'ReLU', 'Conv2d', 'CrossEntropyLoss')]
        found.setdefault((model.type, model.backbone.type, *plain), []).append(path)
    return {key: sorted(paths, key=_weight) for key, paths in found.items()}


def _weight(path: Path) -> tuple[int, str]:
    depth = re.search(r'r(\d+)', path.stem)
    size = 2 if re.search(r'large|-l_|_l_|xlarge', path.stem) else 1 if re.search(r'base|-b_', path.stem) else 0
    return (int(depth.group(1)) if depth else 0) + 100 * size, path.stem


def small_model(path: Path) -> dict[str, Any]:
    """The model of a config file, as it is but for fewer layers, five classes and small images."""
    model = Config.fromfile(str(path))._cfg_dict.to_dict()['model']
    _set(model, dict(pretrained=None, init_cfg=None, num_classes=CLASSES))
    backbone = model['backbone']
    layers = backbone.get('num_layers')
    if isinstance(layers, int) and layers > 4:
        count = 4 if isinstance(backbone.get('out_indices'), (list, tuple)) else 2
        backbone['num_layers'] = count
        if count == 4:
            backbone['out_indices'] = [0, 1, 2, 3]
        elif 'out_indices' in backbone:
            backbone['out_indices'] = 1
    if 'img_size' in backbone:
        backbone['img_size'] = (SIZE, SIZE)
    if isinstance(backbone.get('depths'), (list, tuple)):
        backbone['depths'] = [1] * len(backbone['depths'])
    for part in (backbone, backbone.get('backbone_cfg') or {}):
        if isinstance(part.get('depth'), int) and part['depth'] > 18:
            part['depth'] = 50  # with one block for every stage, see few_blocks
    for stage in (backbone.get('extra') or {}).values():  # HRNet
        stage.update(num_modules=1, num_blocks=[1] * len(stage['num_blocks']))
    test_cfg = model.get('test_cfg') or {}
    if test_cfg.get('mode') == 'slide':
        test_cfg.update(crop_size=(SIZE, SIZE), stride=(SIZE // 2, SIZE // 2))
    return model


def few_blocks() -> None:
    """Let the stages of every ResNet have one block, in this process."""
    from mmseg.models import backbones  # after mmseg_uda, which lets it import without compiled ops

    for backbone in (backbones.ResNet, backbones.ResNeSt, backbones.ResNeXt):
        block, stages = backbone.arch_settings[50]
        backbone.arch_settings = {**backbone.arch_settings, 50: (block, (1,) * len(stages))}


def _set(part: Any, values: Mapping[str, Any]) -> None:
    """Set keys wherever they stand; BN for SyncBN, and class weights of five classes."""
    if isinstance(part, dict):
        boundary = part.get('type') == 'STDCHead'  # two classes of its own
        part.update({k: v for k, v in values.items() if k in part and not (boundary and k == 'num_classes')})
        if part.get('type') == 'SyncBN':
            part['type'] = 'BN'
        if isinstance(part.get('class_weight'), (list, tuple)):
            part['class_weight'] = [1.0] * CLASSES
    for value in part.values() if isinstance(part, dict) else part if isinstance(part, (list, tuple)) else []:
        _set(value, values)


def batch(size: int = SIZE) -> dict[str, Any]:
    """Two labelled source images and two target images of noise."""
    generator = torch.Generator().manual_seed(0)
    norm = dict(mean=[0.0] * 3, std=[1.0] * 3, to_rgb=True)
    shape = (size, size, 3)
    meta = dict(ori_shape=shape, img_shape=shape, pad_shape=shape, filename='x.png', flip=False, scale_factor=1.0)
    images = [torch.randn(2, 3, size, size, generator=generator) for _ in range(2)]
    label = torch.randint(0, CLASSES, (2, 1, size // 8, size // 8), generator=generator)
    label = label.repeat_interleave(8, 2).repeat_interleave(8, 3)
    label[..., :4] = 255
    metas = [dict(meta, img_norm_cfg=norm) for _ in range(2)]
    return dict(img=images[0], gt_semantic_seg=label, img_metas=metas, target_img=images[1], target_img_metas=metas)


def try_network(model: Mapping[str, Any], uda: Optional[Mapping[str, Any]], size: int = SIZE) -> str:
    """``trains``, or the sentence with which the network is refused.

    Args:
        model, uda: as in a config.
        size: side of the images.

    Raises:
        Exception: anything that is no refusal.
    """
    torch.manual_seed(0)
    cfg = Config(dict(model=copy.deepcopy(dict(model)), runner=dict(type='IterBasedRunner', max_iters=2)))
    if uda is not None:
        cfg.uda = dict(uda)
    try:
        with naming_config('config'):
            method = build_train_model(cfg)
            method.init_weights()
            check_heads(method, [str(i) for i in range(CLASSES)])
            optimizers = build_optimizers(dict(type='SGD', lr=0.01), method.networks())
            step = TrainStep(method, optimizers, StepOptions(), 0)
        before = [parameter.detach().clone() for parameter in method.student.decode_head.parameters()]
        step([batch(size)], 0)
        losses = step.flush()[-1]
        method.eval()
        with torch.no_grad():
            scores = logits(method.student, batch(size)['img'])
    except Exception as error:
        if is_user_error(error) or type(error).__module__.startswith('mmseg_uda'):
            return re.sub(r'^\w+: (config: )?', '', one_line(error))
        raise
    changed = any(not torch.equal(a, b) for a, b in zip(before, method.student.decode_head.parameters()))
    numbers = [value for key, value in losses.items() if 'loss' in key]
    if not (changed and numbers and torch.isfinite(torch.tensor(numbers)).all()):
        raise RuntimeError(f'it does not train: {losses}')
    if scores.shape != (2, CLASSES, size, size):
        raise RuntimeError(f'it predicts {tuple(scores.shape)}')
    return 'trains'


def walk(pattern: str, kept: Mapping[str, Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """One row per network whose first config matches; those in ``kept``, by the name of the config, as they are."""
    for key, paths in networks().items():
        name = f'{paths[0].parent.name}/{paths[0].name}'
        if not re.search(pattern, name):
            continue
        if name in kept:
            yield dict(kept[name])
            continue
        size = LARGE.get(paths[0].parent.name, SIZE)
        row: dict[str, Any] = dict(parts=list(key), config=name, number=len(paths), size=size)
        for method, uda in METHODS.items():
            try:
                row[method] = try_network(small_model(paths[0]), uda, size)
            except Exception as error:  # what the table must not hold
                row[method] = f'ERROR {type(error).__name__}: {error}'
            gc.collect()
        yield row


def kept_rows(path: Path = KEPT) -> dict[str, dict[str, Any]]:
    """Rows of an interrupted walk, by the name of their config."""
    lines = path.read_text(encoding='utf-8').splitlines() if path.exists() else []
    return {row['config']: row for row in map(json.loads, lines)}


def table(rows: Sequence[Mapping[str, Any]]) -> str:
    """The rows as Markdown; sentences stand below, numbered."""
    notes: list[str] = []

    def cell(text: str) -> str:
        if text == 'trains':
            return 'trains'
        if text not in notes:
            notes.append(text)
        return f'refused ({notes.index(text) + 1})'

    lines = ['| network (MMSegmentation 0.30) | smallest config | configs | images | ' + ' | '.join(METHODS) + ' |']
    lines.append('|---' * (4 + len(METHODS)) + '|')
    for row in rows:
        cells = [cell(row[method]) for method in METHODS]
        parts = ', '.join(part for part in row['parts'][1:])
        kind = '' if row['parts'][0] == 'EncoderDecoder' else f'{row["parts"][0]}: '
        lines.append(f'| {kind}{parts} | `{row["config"]}` | {row["number"]} | {row["size"]} | {" | ".join(cells)} |')
    return '\n'.join([*lines, '', *(f'{i + 1}. {note}' for i, note in enumerate(notes))])


def write(rows: Sequence[Mapping[str, Any]]) -> None:
    """Put the table into the docs page and the rows into the results."""
    RESULTS.write_text(json.dumps(list(rows), indent=1) + '\n', encoding='utf-8')
    page = PAGE.read_text(encoding='utf-8')
    before, rest = page.split(BEGIN)
    PAGE.write_text(f'{before}{BEGIN}\n{table(rows)}\n{END}{rest.split(END)[1]}', encoding='utf-8')


def main() -> None:
    """Walk, and write what was found."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', default='', help='regular expression on the config name')
    parser.add_argument('--write', action='store_true', help=f'write {PAGE.name} and {RESULTS.name}; excludes --only')
    args = parser.parse_args()
    if args.write and args.only:
        parser.error('--write is for all networks: leave --only out')
    warnings.simplefilter('ignore')
    few_blocks()
    kept = {} if args.only else kept_rows()
    rows: list[dict[str, Any]] = []
    KEPT.parent.mkdir(exist_ok=True)
    for row in walk(args.only, kept):
        print(row, flush=True)
        rows.append(row)
        if not args.only and row['config'] not in kept:
            with KEPT.open('a', encoding='utf-8') as file:
                file.write(json.dumps(row) + '\n')
    errors = [row for row in rows if any(str(row[method]).startswith('ERROR') for method in METHODS)]
    if args.write:
        write(rows)
    if not args.only:
        KEPT.unlink()
    print(f'{len(rows)} networks, {len(errors)} with errors')
    raise SystemExit(bool(errors))


if __name__ == '__main__':
    main()

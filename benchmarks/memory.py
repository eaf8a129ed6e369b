"""Peak memory and kernel launches of one training step of any config, computed without a GPU and without data.

    python benchmarks/memory.py configs/daformer/gta_to_cityscapes_daformer_mitb5.py
    python benchmarks/memory.py CONFIG --options memory.activation_checkpointing=True memory.precision=bf16 --top 10

The step runs on tensors without data (mmseg_uda/engine/dry_run.py): sizes are exact, what the allocator and the
libraries' workspaces add is not there, and neither is the state of the optimiser, which is printed beside it. A real
run needs about 1 GB for the CUDA context and 5 to 15 % for fragmentation on top. ``labelling`` is the peak while a
teacher labels images.
"""

from __future__ import annotations

import argparse
import copy
import json
import sys
import tempfile
import warnings
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))
warnings.filterwarnings('ignore')

import torch  # noqa: E402
from mmcv import Config, DictAction  # noqa: E402

import mmseg_uda  # noqa: E402, F401  (first: it prepares mmcv)
from mmseg_uda.builder import build_train_model  # noqa: E402
from mmseg_uda.engine.config_checks import first_whole_iteration  # noqa: E402
from mmseg_uda.engine.dry_run import Tally, dry_steps  # noqa: E402
from mmseg_uda.engine.example_batch import example_batch, without_downloads  # noqa: E402
from mmseg_uda.engine.placing import MEMORY_VARIANTS, EngineOptions, arrange, spread_memory  # noqa: E402
from mmseg_uda.engine.step import StepOptions  # noqa: E402
from mmseg_uda.models.training_interface import head_outputs, training_features  # noqa: E402

GIB = 2**30


def optimizer_bytes(optimizer: Mapping[str, Any], trained: int) -> int:
    """Bytes of the state of optimisers for so many trained parameters: two moments, or SGD's one."""
    kinds = {str(optimizer['type'])} if 'type' in optimizer else {str(one['type']) for one in optimizer.values()}
    return trained * 4 * (1 if all('SGD' in kind for kind in kinds) else 2)


def forward_flops(cfg: Config, size: Sequence[int]) -> int:
    """Floating-point operations, two a multiply-add, of the student's forward pass of one training image."""
    from torch.utils.flop_counter import FlopCounterMode

    cfg = copy.deepcopy(cfg)
    cfg.model.pretrained = None
    student = build_train_model(cfg, 0).student.to('meta')
    with FlopCounterMode(display=False) as counter, torch.no_grad():
        head_outputs(student, training_features(student, torch.zeros(2, 3, *size, device='meta')))
    return counter.get_total_flops() // 2


def measure(args: argparse.Namespace, memory: dict[str, Any], folder: Path) -> tuple[Tally, float]:
    """The tally of a step of the config with ``memory`` options, and the GiB of the optimisers' state."""
    cfg = Config.fromfile(args.config)
    cfg.merge_from_dict(args.options or {})
    cfg = without_downloads(cfg, folder)
    cfg.memory = {**(cfg.get('memory') or {}), **memory}
    spread_memory(cfg)
    method = build_train_model(cfg, 0)
    arrange(method, EngineOptions.from_config(cfg.get('engine')))  # layers as a GPU computes them
    batch = example_batch(cfg, method, args.batch or 0, args.size or ())
    trained = sum(p.numel() for net in method.networks().values() for p in net.parameters() if p.requires_grad)
    options = StepOptions.from_config(cfg.get('optimizer_config'), cfg.get('fp16'))
    late = first_whole_iteration(cfg.get('uda') or {})
    tally = dry_steps(method, batch, options, iterations=(0, late + 1, late + 2) if late else (0, 1), device='cpu')
    return tally, optimizer_bytes(cfg.optimizer, trained) / GIB


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--size', type=int, nargs=2, metavar=('HEIGHT', 'WIDTH'), help="default: the config's crop")
    parser.add_argument('--batch', type=int, help='images per stream (default: samples_per_gpu)')
    parser.add_argument('--options', nargs='+', action=DictAction, help='changes of the config, KEY=VALUE')
    parser.add_argument('--variants', nargs='+', choices=list(MEMORY_VARIANTS), default=list(MEMORY_VARIANTS))
    parser.add_argument('--top', type=int, default=0, help='list the largest tensors at the peak')
    parser.add_argument('--json', type=Path, help='write the figures here as well')
    args = parser.parse_args(argv)
    print(f'{"variant":24s}{"peak GiB":>10s}{"labelling":>11s}{"of it held":>12s}{"state GiB":>10s}{"kernels":>9s}')
    rows = []
    for name in args.variants:
        with tempfile.TemporaryDirectory() as folder:
            tally, state = measure(args, MEMORY_VARIANTS[name], Path(folder))
        kernels = sum(tally.kernels.values())
        labelling = tally.peak_by_phase['labelling']
        figures = f'{tally.peak / GIB:10.2f}{labelling / GIB:11.2f}{tally.held / GIB:12.2f}{state:10.2f}{kernels:9d}'
        print(f'{name:24s}{figures}', flush=True)
        rows.append(dict(variant=name, peak=tally.peak, held=tally.held, state=round(state * GIB), kernels=kernels))
        for size, operator, shape in tally.at_peak[: args.top]:
            print(f'    {size / GIB:8.3f} GiB  {operator}  {shape}')
    if args.json:
        args.json.write_text(json.dumps(dict(config=args.config, torch=torch.__version__, rows=rows), indent=1) + '\n')


if __name__ == '__main__':
    main()

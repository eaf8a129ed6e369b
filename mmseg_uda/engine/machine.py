"""Is the machine set up right, and how long does a config take on it (``tools/check_gpu.py``)?"""

from __future__ import annotations

import json
import logging
import platform
import shutil
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import torch
from mmcv import Config

from ..builder import build_train_model
from ..models.compiling import compiled_parts
from ..options.check_gpu import parse_args
from ..utils.config import nearest
from . import environment
from .config_checks import first_whole_iteration
from .data import to_device
from .device_checks import PROBES, Finding, ranks_agree, step_agrees
from .example_batch import example_batch, without_downloads
from .optimizers import build_optimizers
from .placing import MEMORY_VARIANTS, EngineOptions, place, spread_memory
from .step import StepOptions, TrainStep

GIB = 2**30
#: steps before the timed ones: the first fill banks and let libraries choose their algorithms
WARM_UP = 3
#: what a user may switch, by name: top-level changes of the config
VARIANTS: dict[str, dict[str, Any]] = {
    **{name: dict(memory=options) for name, options in MEMORY_VARIANTS.items()},
    'channels_last': dict(engine=dict(channels_last=True)),
    'fp16': dict(memory=dict(precision='fp16')),
    'compiled blocks': dict(engine=dict(compile='blocks')),
    'compiled backbone': dict(engine=dict(compile='backbone')),
    'cuda_graphs': dict(engine=dict(cuda_graphs=True)),
}
#: begin the names of variants and checks that need CUDA, or take minutes of a CPU for nothing
ON_CUDA = ('fp16', 'compiled', 'cuda_graphs')


def main(argv: Optional[Sequence[str]] = None) -> dict[str, Any]:
    """Run ``tools/check_gpu.py``; leaves with status 1 when a check fails."""
    args = parse_args(argv)
    warnings.filterwarnings('ignore')
    logging.getLogger('mmcv').setLevel(logging.ERROR)
    began = time.monotonic()
    device = torch.device(args.device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    variants = args.variants or [name for name in VARIANTS if fits(name, device)]
    for name in variants:
        if name not in VARIANTS:
            raise ValueError(f"--variants: '{name}' is none ({nearest(name, VARIANTS)})")
    configs = {path: environment.load_config(path, args.cfg_options) for path in args.configs}  # errors come first
    print(f'torch {torch.__version__}, Python {platform.python_version()}, device: {describe(device)}')
    findings = [*setup_findings(), *(step_agrees(name, device) for name in PROBES if fits(name, device))]
    findings.append(ranks_agree(device))
    for finding in findings:
        print(f'{"ok    " if finding.ok else "FAILED"} {finding.text}', flush=True)
    rows = []
    for path, cfg in configs.items():
        print(f'\n{path}\n{"variant":22s}{"s/iteration":>12s}{"GiB":>8s}{"whole run":>12s}')
        for name in variants:
            if time.monotonic() - began > 60 * args.minutes:
                print(f'{name:22s} not begun: --minutes {args.minutes:g} are over')
                continue
            row = dict(config=path, variant=name, **timed(cfg, VARIANTS[name], device, args))
            rows.append(row)
            print(line_of(row), flush=True)
    found = dict(
        device=describe(device), torch=torch.__version__, checks=[vars(finding) for finding in findings], rows=rows
    )
    if args.json:
        Path(args.json).write_text(json.dumps(found, indent=1) + '\n', encoding='utf-8')
    if not all(finding.ok for finding in findings):
        sys.exit(1)
    return found


def describe(device: torch.device) -> str:
    """Name and memory of a device."""
    if device.type != 'cuda':
        return f'{device.type}, {torch.get_num_threads()} threads'
    facts = torch.cuda.get_device_properties(device)
    return f'{facts.name}, {facts.total_memory / GIB:.0f} GiB, capability {facts.major}.{facts.minor}'


def fits(name: str, device: torch.device) -> bool:
    """Whether a check or a variant is for a device."""
    return device.type == 'cuda' or not name.startswith(ON_CUDA)


def setup_findings() -> list[Finding]:
    """Whether torch can use the GPUs that the driver shows."""
    shown = _driver()
    if shown is None:
        return [Finding('driver', True, 'no NVIDIA driver here: everything runs on the CPU')]
    if torch.version.cuda is None:
        text = f'the driver shows {shown}, but this torch is built without CUDA: install a CUDA build (make setup)'
        return [Finding('driver', False, text)]
    if not torch.cuda.is_available():
        text = (
            f'the driver shows {shown}, but torch (built for CUDA {torch.version.cuda}) cannot use it: '
            'the driver is older than that CUDA, or CUDA_VISIBLE_DEVICES hides the device'
        )
        return [Finding('driver', False, text)]
    return [Finding('driver', True, f'{shown}; torch is built for CUDA {torch.version.cuda}')]


def _driver() -> Optional[str]:
    if shutil.which('nvidia-smi') is None:
        return None
    query = ['nvidia-smi', '--query-gpu=name,driver_version', '--format=csv,noheader']
    shown = subprocess.run(query, capture_output=True, text=True)
    return '; '.join(shown.stdout.strip().splitlines()) if shown.returncode == 0 else None


def timed(cfg: Config, variant: Mapping[str, Any], device: torch.device, args: Any) -> dict[str, Any]:
    """Seconds of a step, peak memory and length of the whole run of a config, or why it cannot run."""
    cfg = Config(cfg._cfg_dict.to_dict())
    for key, options in variant.items():
        cfg[key] = {**(cfg.get(key) or {}), **options}
    try:
        with tempfile.TemporaryDirectory() as folder:
            step, batch = _step_of(without_downloads(cfg, Path(folder)), device, args)
        seconds = _seconds(step, batch, device, args.steps, first_whole_iteration(cfg.get('uda') or {}) + 1)
    except torch.OutOfMemoryError:
        return dict(error='out of memory')
    found: dict[str, Any] = dict(seconds=round(seconds, 4), hours=round(seconds * int(cfg.runner.max_iters) / 3600, 2))
    failed = sorted({type(part).__name__ for part in compiled_parts(step.method) if part.runs_eagerly})
    if failed:
        found['not_compiled'] = failed
    if device.type == 'cuda':
        found['gib'] = round(torch.cuda.max_memory_allocated(device) / GIB, 2)
    return found


def _step_of(cfg: Config, device: torch.device, args: Any) -> tuple[TrainStep, dict[str, Any]]:
    spread_memory(cfg)
    engine = EngineOptions.from_config(cfg.get('engine'))
    method = build_train_model(cfg, 0)
    method.init_weights()
    method = place(method, device, engine)
    batch = to_device(example_batch(cfg, method, args.batch, args.size or ()), device, engine.channels_last)
    options = StepOptions.from_config(cfg.get('optimizer_config'), cfg.get('fp16'))
    return TrainStep(method, build_optimizers(cfg.optimizer, method.networks()), options, 0), batch


def _seconds(step: TrainStep, batch: Any, device: torch.device, steps: int, first: int) -> float:
    """Mean seconds of a step, without the first ones."""
    step([batch], 0)
    for iteration in range(first, first + WARM_UP - 1):
        step([batch], iteration)
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
        torch.cuda.reset_peak_memory_stats(device)
    began = time.perf_counter()
    for iteration in range(first + WARM_UP - 1, first + WARM_UP - 1 + steps):
        step([batch], iteration)
    if device.type == 'cuda':
        torch.cuda.synchronize(device)
    return (time.perf_counter() - began) / steps


def line_of(row: Mapping[str, Any]) -> str:
    """A row of the table."""
    if 'error' in row:
        return f'{row["variant"]:22s}{row["error"]:>12s}'
    memory = f'{row["gib"]:8.2f}' if 'gib' in row else f'{"-":>8s}'
    failed = f'  not compiled: {", ".join(row["not_compiled"])}' if 'not_compiled' in row else ''
    return f'{row["variant"]:22s}{row["seconds"]:12.3f}{memory}{row["hours"]:10.1f} h{failed}'

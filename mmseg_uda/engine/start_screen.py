"""The one screen that a training shows before its first iteration: what is trained, on what, where and for how long."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

import torch
from mmcv import Config
from torch import nn

from ..streams import LABELED_TARGET
from ..version import __version__
from .terminal import note, show

_PACKAGE = Path(__file__).parents[1]
#: rooms of the package whose objects are the parts of a method
_PARTS = ('components', 'methods.parts', 'models.discriminators')
#: data sets of a stream that are listed one by one
_LISTED = 4


def announce(runner: Any, cfg: Config, dataset: Any, device: torch.device) -> None:
    """Show the screen.

    Args:
        runner: ready to run, with all hooks.
        dataset: the training set.
        device: of this process.
    """
    if runner.rank != 0:
        return
    tested = {name: one for hook in runner.hooks for name, one in getattr(hook, 'datasets', {}).items()}
    rows = [
        ('mmseg_uda', f'{__version__} from {_PACKAGE}'),
        ('method', _method_text(runner.model, dataset.stream_names)),
        ('network', _network_text(runner.model.student)),
        ('parameters', _parameter_text(runner)),
        ('device', device_text(device, runner.world_size)),
        *(('data' if i == 0 else '', text) for i, text in enumerate(_data_texts(dataset, tested))),
        ('training', _training_text(runner, cfg)),
        ('results', _result_text(runner, cfg)),
        ('', f'details in {runner.timestamp}.log'),
    ]
    show(runner.logger, '\n'.join(f'{name:<12s}{text}' for name, text in rows))
    note(runner.logger, 'Hooks will be executed in the following order:\n%s', runner.get_hook_info())


def _method_text(method: Any, streams: Sequence[str]) -> str:
    absent = {LABELED_TARGET} - set(streams)
    parts = [f'{name} {type(part).__name__}' for name, part in _parts_of(method) if name not in absent]
    return f'{method.title}: {", ".join(parts)}' if parts else method.title


def _parts_of(method: nn.Module) -> Iterator[tuple[str, Any]]:
    for name, value in {**vars(method), **method._modules}.items():
        where = type(value).__module__
        if not name.startswith('_') and any(where.startswith(f'{_PACKAGE.name}.{room}') for room in _PARTS):
            yield name, value


def _network_text(student: Any) -> str:
    def kind(part: Any) -> str:
        return '/'.join(type(one).__name__ for one in part) if isinstance(part, nn.ModuleList) else type(part).__name__

    backbone = getattr(student, 'backbone', None)
    parts = [kind(getattr(student, name)) for name in ('backbone', 'neck', 'decode_head') if _has(student, name)]
    name = getattr(backbone, 'model_name', None)
    return f'{kind(student)}: {" + ".join(parts)}{f" ({name})" if isinstance(name, str) else ""}'


def _has(module: nn.Module, name: str) -> bool:
    return getattr(module, name, None) is not None


def _millions(parameters: Any) -> str:
    return f'{sum(p.numel() for p in parameters) / 1e6:.1f} M'


def _parameter_text(runner: Any) -> str:
    trained = {name: [p for p in ps if p.requires_grad] for name, ps in runner.step.parameters.items()}
    named = ', '.join(f'{name} {_millions(parameters)}' for name, parameters in trained.items())
    everything = _millions(runner.model.parameters())
    return f'trained: {named}; {everything} with teachers and references'


def device_text(device: torch.device, world_size: int = 1) -> str:
    """The device of this process, and why it is a CPU if it is one."""
    processes = f', {world_size} processes' if world_size > 1 else ''
    if device.type == 'cuda':
        properties = torch.cuda.get_device_properties(device)
        return f'{device}: {properties.name}, {properties.total_memory / 2**30:.0f} GiB{processes}'
    threads = torch.get_num_threads()
    return f'{device}: {why_no_gpu()}; {threads} thread{"s" if threads > 1 else ""}{processes}'


def why_no_gpu() -> str:
    """Why a process runs on the CPU."""
    if torch.cuda.is_available():
        return 'asked for (a GPU is there)'
    if torch.version.cuda is None:
        return 'this torch is built without CUDA'
    if shutil.which('nvidia-smi') is None:
        return 'no GPU found (no nvidia-smi)'
    return (
        f'this torch is built for CUDA {torch.version.cuda} and cannot use the GPU of this machine: see nvidia-smi, '
        'and docs/getting_started.md for another build'
    )


def _data_texts(dataset: Any, tested: Mapping[str, Any]) -> Iterator[str]:
    for name, stream in dataset.streams.items():
        yield f'{name}: {len(stream)} images, {_sets_text(stream.parts)}'
    for name, one in tested.items():
        yield f'evaluation on {name}: {len(one)} images, {_sets_text(getattr(one, "datasets", [one]))}'
    if not tested:
        yield 'no evaluation'


def _sets_text(parts: Any) -> str:
    texts = [' '.join([type(part).__name__, *_folder(part)]) for part in list(parts)[:_LISTED]]
    more = len(parts) - _LISTED
    return ', '.join(texts) + (f' and {more} more' if more > 0 else '')


def _folder(part: Any) -> list[str]:
    folder = getattr(part, 'img_dir', None)
    return [] if folder is None else [str(folder)]


def _training_text(runner: Any, cfg: Config) -> str:
    options = runner.step.options
    batch = int({**cfg.data, **(cfg.data.get('train_dataloader') or {})}.get('samples_per_gpu', 1))
    factors = [(runner.world_size, 'processes'), (options.cumulative_iters, 'batches')]
    times = ''.join(f' x {number} {what}' for number, what in factors if number > 1)
    rate = ', '.join(f'{name} {value}' for name, value in _optimizer_values(cfg.optimizer))
    begin = f'{runner.iter + 1} to {runner.max_iters}'
    start = f' (resumed from {runner.resumed_from})' if runner.resumed_from else ''
    return f'iterations {begin}{start}, batch {batch}{times}, {rate}, {options.precision}, seed {runner.step.seed}'


def _optimizer_values(optimizer: Mapping[str, Any]) -> list[tuple[str, str]]:
    if 'type' in optimizer:
        return [(str(optimizer['type']), f'lr {optimizer.get("lr", "default")}')]
    return [(f'{name} {value["type"]}', f'lr {value.get("lr", "default")}') for name, value in optimizer.items()]


def _result_text(runner: Any, cfg: Config) -> str:
    every = [
        f'{what} every {interval} iterations'
        for what, interval in (
            ('checkpoint', (cfg.get('checkpoint_config') or {}).get('interval')),
            ('evaluation', (cfg.get('evaluation') or {}).get('interval')),
            ('pictures', next((h.interval for h in runner.hooks if type(h).__name__ == 'ViewsHook'), None)),
        )
        if interval
    ]
    return f'{runner.work_dir} ({", ".join(every)})'

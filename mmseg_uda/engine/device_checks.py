"""One training step on a device against the same step on the CPU, and two processes on it against one."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist
import torch.multiprocessing as processes
from mmcv import Config
from torch import Tensor

from ..builder import build_train_model
from ..models.compiling import compiled_parts
from ..streams import SOURCE, TARGET
from ..utils.rng import seed_everything
from .data import to_device
from .example_batch import batch_of
from .optimizers import build_optimizers
from .placing import EngineOptions, place
from .step import StepOptions, TrainStep
from .stream_shapes import StreamShape

CLASSES, SIZE = 5, (64, 96)
PLAIN = EngineOptions()
#: check -> (method, precision, options of the engine, greatest relative deviation of the update)
PROBES: dict[str, tuple[str, str, EngineOptions, float]] = {
    'fp32': ('SourceOnly', 'fp32', PLAIN, 1e-3),
    'fp32, DACS': ('DACS', 'fp32', PLAIN, 1e-2),
    'channels_last': ('SourceOnly', 'fp32', EngineOptions(channels_last=True), 1e-3),
    'bf16': ('SourceOnly', 'bf16', PLAIN, 0.1),
    'fp16': ('SourceOnly', 'fp16', PLAIN, 0.1),
    'compiled blocks, DACS': ('DACS', 'fp32', EngineOptions(compile='blocks'), 1e-2),
    'cuda_graphs, DACS': ('DACS', 'fp32', EngineOptions(cuda_graphs=True), 1e-2),
}
#: steps without an effect before the one that counts: graphs are warmed up, captured and replayed
REHEARSALS = 3


@dataclass
class Finding:
    """What a check found.

    Attributes:
        name: of the check.
        ok: whether all is well.
        text: for the user; of a fault also the remedy or what it means.
    """

    name: str
    ok: bool
    text: str


def small_config(method: str) -> Config:
    """A method on a small transformer without batch norm or random layers, so that devices and ranks can agree."""
    norm = dict(type='GN', num_groups=4)
    model = dict(
        type='EncoderDecoder',
        backbone=dict(
            type='MixVisionTransformer',
            embed_dims=8,
            num_heads=[1, 2, 4, 8],
            num_layers=[1, 1, 1, 1],
            drop_path_rate=0.0,
        ),
        decode_head=dict(
            type='SegformerHead',
            in_channels=[8, 16, 32, 64],
            in_index=[0, 1, 2, 3],
            channels=16,
            dropout_ratio=0.0,
            num_classes=CLASSES,
            norm_cfg=norm,
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False),
        ),
        test_cfg=dict(mode='whole'),
        train_cfg=dict(),
    )
    return Config(dict(model=model, uda=dict(type=method), runner=dict(type='IterBasedRunner', max_iters=10)))


def update_of(
    method: str, precision: str, engine: EngineOptions, device: torch.device, images: slice = slice(None)
) -> Tensor:
    """The change of all parameters (N,) float64 on the CPU by one step of SGD with rate 1: minus the gradient.

    Raises:
        RuntimeError: what was to be compiled or captured was not.
    """
    seed_everything('device check')
    model = build_train_model(small_config(method), 0)
    model.init_weights()
    model = place(model, device, engine)
    before = _flat(model.student.parameters())
    batch = batch_of({SOURCE: StreamShape(SIZE), TARGET: StreamShape(SIZE, ('img',))}, 2, CLASSES)
    batch = {key: value[images] for key, value in batch.items()}
    optimizers = build_optimizers(dict(type='SGD', lr=1.0), model.networks())
    step = TrainStep(model, optimizers, StepOptions(precision=precision), 0)
    batch = to_device(batch, device, engine.channels_last)
    for rate in [*[0.0] * (REHEARSALS if engine.compile or engine.cuda_graphs else 0), 1.0]:
        for optimizer in optimizers.values():
            optimizer.param_groups[0]['lr'] = rate
        step([batch], 0)
    failed = sorted({type(part).__name__ for part in compiled_parts(model) if part.runs_eagerly})
    if failed:
        raise RuntimeError(f'{", ".join(failed)} could not be compiled (the warning says why) and ran as ever')
    return _flat(model.student.parameters()) - before


def _flat(parameters: Any) -> Tensor:
    return torch.cat([parameter.detach().double().cpu().flatten() for parameter in parameters])


def deviation(found: Tensor, wanted: Tensor) -> float:
    """Relative distance of two updates; infinite when one is not finite."""
    if not bool(torch.isfinite(found).all()):
        return float('inf')
    return float((found - wanted).norm() / wanted.norm())


def step_agrees(name: str, device: torch.device) -> Finding:
    """Compare a step on ``device`` with that in float32 on the CPU; TensorFloat-32 is off meanwhile."""
    method, precision, engine, bound = PROBES[name]
    tf32 = torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32
    torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    try:
        wanted = update_of(method, 'fp32', PLAIN, torch.device('cpu'))
        found = deviation(update_of(method, precision, engine, device), wanted)
    except RuntimeError as error:
        return Finding(name, False, f'a step in {name}: {error}')
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cuda.matmul.allow_tf32 = tf32
    text = f'a step in {name}: update deviates by {found:.1e} from float32 on the CPU (at most {bound:g})'
    return Finding(name, found <= bound, text)


def ranks_agree(device: torch.device) -> Finding:
    """Two processes with one image each on ``device`` (gloo) against one process with both."""
    whole = update_of('SourceOnly', 'fp32', PLAIN, device)
    with tempfile.TemporaryDirectory() as folder:
        try:
            # a device's context does not live through a fork; without one it saves two imports of everything
            method = 'fork' if device.type == 'cpu' else 'spawn'
            processes.start_processes(_one_rank, (folder, str(device)), nprocs=2, start_method=method)
        except Exception as error:  # of the other process: its text is all that there is
            return Finding('ranks', False, f'two processes on one device: {str(error).strip().splitlines()[-1]}')
        shared = torch.load(Path(folder) / 'update.pth', weights_only=True)
    found = deviation(shared, whole)
    return Finding('ranks', found <= 1e-3, f'two processes on one device: update deviates by {found:.1e} from one')


def _one_rank(rank: int, folder: str, device: str) -> None:
    import mmseg_uda  # noqa: F401  (a fresh process: it prepares mmcv)

    torch.set_num_threads(1)  # a forked process has none of its parent's threads
    dist.init_process_group('gloo', init_method=f'file://{folder}/store', rank=rank, world_size=2)
    update = update_of('SourceOnly', 'fp32', PLAIN, torch.device(device), slice(rank, rank + 1))
    if rank == 0:
        torch.save(update, Path(folder) / 'update.pth')
    dist.destroy_process_group()

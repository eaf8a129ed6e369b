"""What a network costs at test time (``tools/benchmark.py``): images per second, FLOPs, parameters, memory."""

from __future__ import annotations

import json
import os
import platform
import time
from pathlib import Path
from typing import Any, Optional, Sequence

import torch
from torch import Tensor, nn
from torch.utils import flop_counter

from ..builder import build_train_model
from ..models.execution import speed_up
from ..options.benchmark import parse_args
from ..utils.checkpoint_io import TRUST_VARIABLE, replacing
from . import environment
from .dry_run import Tally
from .example_batch import crop_size
from .export_card import normalisation
from .inference import inference_mode
from .predict_inputs import resized_to, test_steps
from .test import load_model


def main(argv: Optional[Sequence[str]] = None) -> dict[str, Any]:
    """Measure, print a table and return its figures."""
    args = parse_args(argv)
    if args.trust_checkpoint:
        os.environ[TRUST_VARIABLE] = '1'
    if args.threads:
        torch.set_num_threads(args.threads)
    cfg = environment.load_config(args.config, args.cfg_options)
    device = torch.device(args.device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    steps = test_steps(cfg)
    size = args.size or resized_to(steps) or (crop_size(cfg) if cfg.data.get('train') else None)
    if size is None:
        raise ValueError('the config tests with images of any size: give --size HEIGHT WIDTH')
    network = _network(cfg, args.checkpoint, device)
    channels = len(normalisation(steps).get('mean', (0, 0, 0)))
    image = torch.randn((args.batch, channels, *size), device=device)
    found = measure(network, image, args.calls, args.precision, args.windows_per_batch)
    figures = dict(
        config=args.config,
        device=_device_name(device),
        torch=torch.__version__,
        size=list(size),
        batch=args.batch,
        precision=args.precision,
        windows=_windows(network),
        **found,
    )
    _print(figures)
    if args.json:
        with replacing(Path(args.json)) as temporary:
            temporary.write_text(json.dumps(figures, indent=1) + '\n', encoding='utf-8')
    return figures


def _network(cfg: Any, checkpoint: Optional[str], device: torch.device) -> Any:
    """The network that answers at test time."""
    if checkpoint is not None:
        return load_model(cfg, checkpoint, None, device).inference_model
    if cfg.model.get('pretrained') is not None:
        cfg.model.pretrained = None
    return speed_up(build_train_model(cfg).to(device)).eval().inference_model


def measure(
    network: nn.Module, image: Tensor, calls: int, precision: str = 'fp32', windows_per_batch: int = 8
) -> dict[str, Any]:
    """Figures of ``network`` on ``image`` (B, C, H, W), from the tensor to label maps of the same size.

    Returns:
        ``images_per_second`` (median call), ``gflops`` of one image (a multiplication and an addition are two;
        convolutions, matrix products and attention are counted), ``parameters``, ``memory_mib``: the most that tensors
        take during a call, weights and image included, without what the allocator and libraries add.
    """
    height, width = image.shape[2:]
    meta = dict(ori_shape=(height, width, 3), img_shape=(height, width, 3), pad_shape=(height, width, 3), flip=False)
    metas = [dict(meta) for _ in image]

    def call() -> None:
        network.simple_test(image, metas)  # type: ignore[operator]

    with inference_mode(network, image.device, precision, windows_per_batch):
        call()
        seconds = sorted(_seconds(call, image.device) for _ in range(calls))
        with flop_counter.FlopCounterMode(display=False, custom_mapping=_attention_on_cpu()) as counter:
            call()
        memory = _peak(network, image, call)
    return dict(
        images_per_second=image.shape[0] / seconds[len(seconds) // 2],
        gflops=counter.get_total_flops() / image.shape[0] / 1e9,
        parameters=sum(parameter.numel() for parameter in network.parameters()),
        memory_mib=memory / 2**20,
    )


def _seconds(call: Any, device: torch.device) -> float:
    _wait(device)
    start = time.perf_counter()
    call()
    _wait(device)
    return time.perf_counter() - start


def _wait(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def _attention_on_cpu() -> dict[Any, Any]:
    """The CPU's fused attention, which torch's counter does not know in every version."""
    operator = getattr(torch.ops.aten, '_scaled_dot_product_flash_attention_for_cpu', None)
    if operator is None or operator in flop_counter.flop_registry:
        return {}
    return {operator: lambda query, key, value, *_, **__: flop_counter.sdpa_flop_count(query, key, value)}


def _peak(network: nn.Module, image: Tensor, call: Any) -> int:
    """Bytes of the tensors that are alive at the worst moment of a call."""
    if image.device.type == 'cuda':
        torch.cuda.reset_peak_memory_stats(image.device)
        call()
        return int(torch.cuda.max_memory_allocated(image.device))
    tally = Tally(image.device.type)
    tally.hold([*network.parameters(), *network.buffers(), image])
    with tally:
        call()
    return tally.peak


def _windows(network: Any) -> str:
    cfg = getattr(network, 'test_cfg', None) or {}
    if cfg.get('mode') != 'slide':
        return 'whole image'
    return f'{tuple(cfg["crop_size"])} every {tuple(cfg["stride"])}'


def _device_name(device: torch.device) -> str:
    if device.type == 'cuda':
        return torch.cuda.get_device_name(device)
    return f'{device.type} ({platform.processor() or platform.machine()}, {torch.get_num_threads()} threads)'


def _print(figures: dict[str, Any]) -> None:
    height, width = figures['size']
    print(f'{figures["config"]}: {figures["batch"]} x {height} x {width}, {figures["windows"]}, {figures["precision"]}')
    print(f'{figures["device"]}, torch {figures["torch"]}\n')
    print('| images/s | GFLOPs per image | parameters (M) | memory (MiB) |\n|---|---|---|---|')
    print(
        f'| {figures["images_per_second"]:.2f} | {figures["gflops"]:.2f} | {figures["parameters"] / 1e6:.2f} | '
        f'{figures["memory_mib"]:.0f} |'
    )
    print('\nFLOPs: an addition and a multiplication are two. Memory: tensors at the worst moment, weights included.')

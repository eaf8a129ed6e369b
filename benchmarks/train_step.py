"""Time and memory of one training iteration, with every optimisation as a switch.

    python benchmarks/train_step.py                                  # all methods, small network, CPU or GPU
    python benchmarks/train_step.py --methods daformer mic --model configs/_base_/models/daformer_sepaspp_mitb5.py \\
        --size 512 --switches

Every measurement runs in a process of its own (so that peak memory is its own): all switches off (the published way
of computing), each switch on alone, all on. Images are synthetic; the network has random weights; the time is the
mean over iterations, because some work (colour jitter, blur) falls on some iterations only, on the same ones in every
variant.
"""

from __future__ import annotations

import argparse
import json
import platform
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any, Callable, Sequence

import torch
from mmcv import Config

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.builder import build_train_model, with_num_classes
from mmseg_uda.components import augmentations, ema, feature_distances, mixers
from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.engine.step import StepOptions, TrainStep
from mmseg_uda.utils.rng import torch_generator

sys.path.insert(0, str(Path(__file__).parent))
import published_variants as published  # noqa: E402

ROOT = Path(__file__).resolve().parents[1]
MIC = dict(
    type='DACS',
    alpha=0.999,
    imnet_feature_dist_lambda=0.005,
    imnet_feature_dist_classes=[6, 7, *range(11, 19)],
    imnet_feature_dist_scale_min_ratio=0.75,
    mask_mode='separatetrgaug',
    mask_lambda=1,
    mask_generator=dict(type='block', mask_ratio=0.7, mask_block_size=32),
)
METHODS = {
    'source_only': None,
    'dacs': dict(type='DACS', alpha=0.99),
    'daformer': dict(
        type='DACS',
        alpha=0.999,
        imnet_feature_dist_lambda=0.005,
        imnet_feature_dist_classes=[6, 7, *range(11, 19)],
        imnet_feature_dist_scale_min_ratio=0.75,
    ),
    'mic': MIC,
    'quadmix': dict(MIC, type='QuadMix', start_iter=0),
}
NORM = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)


def switches() -> dict[str, Callable[[], None]]:
    """Switch name -> what puts its published form in place (module attributes are exchanged)."""

    def exchange(module: Any, name: str, value: Any) -> Callable[[], None]:
        return lambda: setattr(module, name, value)

    return {
        'separable_blur': exchange(augmentations, 'gaussian_blur', published.dense_blur),
        'label_histogram': exchange(feature_distances, 'downscale_label_ratio', published.one_hot_downscale),
        'batched_masks': exchange(mixers, 'class_mix_masks', published.unique_class_masks),
        'foreach_ema': exchange(ema.EMATeacher, 'update', published.per_tensor_ema),
    }


#: switches that are options of a build rather than functions
OPTIONS = (
    'merged_backward',
    'fused_optimizer',
    'no_step_accuracy',
    'no_sync_logs',
    'fused_attention',
    'channels_last',
    'bf16',
)
ALL = (*switches(), *OPTIONS)
#: changes of numerics or of the network's fit: not part of "all on" unless asked for
EXTRA = ('channels_last', 'bf16')


def parse_args() -> argparse.Namespace:
    """Flags."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--methods', nargs='+', choices=list(METHODS), default=list(METHODS))
    parser.add_argument(
        '--model', default='configs/_base_/models/daformer_sepaspp_mitb0.py', help='config file with the model'
    )
    parser.add_argument(
        '--detail', type=int, help='side of the detail crop of an HRDA model (default: as its config says)'
    )
    parser.add_argument('--size', type=int, default=256, help='side of the square crops')
    parser.add_argument('--batch', type=int, default=2)
    parser.add_argument('--iters', type=int, default=5, help='measured iterations, after one that warms up')
    parser.add_argument('--threads', type=int, default=1, help='CPU threads')
    parser.add_argument('--device', choices=['cuda', 'cpu'], default='cuda' if torch.cuda.is_available() else 'cpu')
    parser.add_argument(
        '--switches',
        nargs='*',
        choices=ALL,
        help='switches to measure alone (default: all that apply; none: only off and on)',
    )
    parser.add_argument('--with-extra', action='store_true', help=f'count {" and ".join(EXTRA)} in "all on"')
    parser.add_argument(
        '--clock',
        choices=['wall', 'cpu'],
        default='wall',
        help='cpu: processor time, for a machine that is busy otherwise',
    )
    parser.add_argument('--out', type=Path, help='also write JSON')
    parser.add_argument('--worker', help=argparse.SUPPRESS)
    return parser.parse_args()


def synthetic_batch(size: int, batch: int, device: torch.device) -> dict[str, Any]:
    """Images and blocky labels with a tenth of ignored pixels."""
    generator = torch_generator('benchmark')
    labels = (
        torch.randint(0, 19, (batch, 1, size // 32, size // 32), generator=generator)
        .repeat_interleave(32, 2)
        .repeat_interleave(32, 3)
    )
    labels[torch.rand(labels.shape, generator=generator) < 0.1] = 255
    metas = [
        dict(img_norm_cfg=NORM, filename=f'{i}', img_shape=(size, size, 3), ori_shape=(size, size, 3), flip=False)
        for i in range(batch)
    ]
    images = torch.randn((2, batch, 3, size, size), generator=generator).to(device)
    patches = torch.randint(0, 256, (batch, 2, 3, size, size), generator=generator, dtype=torch.uint8).to(device)
    return {
        'class_patches': patches,
        'class_patch_labels': labels.to(device, torch.uint8).expand(-1, 2, -1, -1),
        'img': images[0],
        'img_metas': metas,
        'gt_semantic_seg': labels.to(device),
        'target_img': images[1],
        'target_img_metas': metas,
    }


def build(args: argparse.Namespace, method: str, on: set[str]) -> tuple[Any, TrainStep]:
    """A method and its step with some switches on."""
    cfg = Config.fromfile(str(ROOT / args.model))
    model = with_num_classes(cfg.model, 19)
    model.pretrained = None
    if args.detail is not None:
        model.hr_crop_size = (args.detail, args.detail)
    if 'fused_attention' not in on and str(model.backbone.type).startswith('mit'):
        model.backbone.fused_attention = False
    for name, publish in switches().items():
        if name not in on:
            publish()
    config = Config(
        dict(model=model, runner=dict(max_iters=40000), **({'uda': METHODS[method]} if METHODS[method] else {}))
    )
    device = torch.device(args.device)
    uda = build_train_model(config, 0).to(device)
    if 'channels_last' in on:
        uda.to(memory_format=torch.channels_last)
    optimizer = dict(type='AdamW', lr=6e-5, weight_decay=0.01)
    networks = uda.networks()
    optimizers = (
        build_optimizers(optimizer, networks)
        if 'fused_optimizer' in on
        else published.per_parameter_optimizer(networks, optimizer)
    )
    options = StepOptions(
        backward='merged' if 'merged_backward' in on else 'sequential', precision='bf16' if 'bf16' in on else 'fp32'
    )
    return uda, TrainStep(uda, optimizers, options)


def publish_accuracy(uda: Any) -> None:
    """Compute accuracy in every pass of the decode head, as the published code does."""
    head, forward = uda.student.decode_head, uda.student.decode_head.forward

    def with_accuracy(*args: Any, **kwargs: Any) -> Any:
        out = forward(*args, **kwargs)
        logits = out[0] if isinstance(out, tuple) else out
        if torch.is_tensor(logits) and uda.training and logits.requires_grad:
            size = uda.benchmark_label.shape[-2:]
            published.accuracy_in_the_step(
                logits,
                uda.benchmark_label.reshape(len(logits), *size)
                if len(logits) == len(uda.benchmark_label)
                else uda.benchmark_label[:1].expand(len(logits), 1, *size),
            )
        return out

    head.forward = with_accuracy


def measure(args: argparse.Namespace, method: str, on: set[str]) -> dict[str, float]:
    """Mean seconds per iteration and peak memory of one variant, in this process."""
    torch.set_num_threads(args.threads)
    device = torch.device(args.device)
    uda, step = build(args, method, on)
    batch = synthetic_batch(args.size, args.batch, device)
    if METHODS[method] is None:
        batch = {key: value for key, value in batch.items() if not key.startswith('target')}
    if 'channels_last' in on:
        batch = {
            key: value.contiguous(memory_format=torch.channels_last) if key.endswith('img') else value
            for key, value in batch.items()
        }
    uda.benchmark_label = batch['gt_semantic_seg']
    if 'no_step_accuracy' not in on:
        publish_accuracy(uda)
    clock = time.perf_counter if args.clock == 'wall' else time.process_time
    times = []
    for i in range(args.iters + 1):
        start = clock()
        step([batch], i + 1000)
        if 'no_sync_logs' not in on:
            step.flush()
        if device.type == 'cuda':
            torch.cuda.synchronize()
        times.append(clock() - start)
    memory = (
        torch.cuda.max_memory_allocated() / 2**30
        if device.type == 'cuda'
        else resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    )
    return dict(seconds=sum(times[1:]) / len(times[1:]), memory=memory)


def in_a_process(args: argparse.Namespace, method: str, on: Sequence[str]) -> dict[str, float]:
    """:func:`measure` in a fresh process."""
    shared = [
        f'--{name}={getattr(args, name)}' for name in ('model', 'size', 'batch', 'iters', 'threads', 'device', 'clock')
    ]
    detail = [] if args.detail is None else [f'--detail={args.detail}']
    flags = ['--methods', method, *shared, *detail, '--worker', json.dumps(sorted(on))]
    result = subprocess.run([sys.executable, __file__, *flags], capture_output=True, text=True)
    if result.returncode:
        raise RuntimeError(f'{method} with {sorted(on)} failed:\n{result.stderr[-3000:]}')
    return json.loads(result.stdout.splitlines()[-1])


def rows_of(args: argparse.Namespace, method: str) -> list[tuple[str, list[str]]]:
    """(title, switches on) of the variants of a method, all-off first."""
    usable = [name for name in (ALL if args.switches is None else args.switches) if applies(name, method, args.model)]
    every = [name for name in ALL if applies(name, method, args.model) and (args.with_extra or name not in EXTRA)]
    return [('all off', []), *((name, [name]) for name in usable), ('all on', every)]


def applies(switch: str, method: str, model: str) -> bool:
    """Whether a switch changes anything for a method and model."""
    if switch in ('separable_blur', 'batched_masks', 'foreach_ema'):
        return method != 'source_only'
    if switch in ('label_histogram', 'merged_backward'):
        return method in ('daformer', 'mic', 'quadmix')
    return switch != 'fused_attention' or 'mit' in model or 'segformer_b' in model


def main() -> None:
    args = parse_args()
    if args.worker is not None:
        print(json.dumps(measure(args, args.methods[0], set(json.loads(args.worker)))))
        return
    memory = 'GPU GB' if args.device == 'cuda' else 'RSS GB'
    processor = f'{platform.processor() or platform.machine()}, {args.threads} thread(s)'
    hardware = torch.cuda.get_device_name() if args.device == 'cuda' else processor
    print(
        f'{args.model}, batch {args.batch}, {args.size}x{args.size}, {hardware}, torch {torch.__version__}, '
        f'{args.clock} time\n'
    )
    results = []
    for method in args.methods:
        print(
            f'| {method} | s/iter | images/s | {memory} | time to all off | memory to all off '
            '|\n|---|---|---|---|---|---|',
            flush=True,
        )
        base = None
        for title, on in rows_of(args, method):
            got = in_a_process(args, method, on)
            base = base or got
            results.append(dict(method=method, variant=title, **got))
            figures = (
                got['seconds'],
                args.batch / got['seconds'],
                got['memory'],
                got['seconds'] / base['seconds'],
                got['memory'] / base['memory'],
            )
            print(
                f'| {title} | {figures[0]:.3f} | ' + ' | '.join(f'{figure:.2f}' for figure in figures[1:]) + ' |',
                flush=True,
            )
        print(flush=True)
    if args.out:
        settings = {key: value for key, value in vars(args).items() if key not in ('out', 'worker')}
        args.out.write_text(
            json.dumps(
                dict(settings=settings, hardware=hardware, torch=torch.__version__, results=results),
                indent=1,
                default=str,
            )
        )


if __name__ == '__main__':
    main()

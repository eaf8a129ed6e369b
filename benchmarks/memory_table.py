"""Which published row trains on which GPU: benchmarks/results/memory.json and docs/benchmarks/memory.md.

    python benchmarks/memory_table.py                # all rows that are not there yet (about an hour of one core)
    python benchmarks/memory_table.py --rows mic/gta_to_cityscapes_hrda_daformer_mitb5
    python benchmarks/memory_table.py --only-write   # the page from the figures

No GPU is needed: see benchmarks/memory.py.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

RESULTS = ROOT / 'benchmarks/results/memory.json'
PAGE = ROOT / 'docs/benchmarks/memory.md'
GIB = 2**30
GPUS = (8, 12, 24, 40)
#: rows whose networks and crops are those of the published tables; others differ by their method or data only
ROWS = (
    'daformer/gta_to_cityscapes_daformer_mitb5',
    'mic/gta_to_cityscapes_hrda_daformer_mitb5',
    'vfm_uda/gta_to_cityscapes_vitb14_dinov2',
    'vfm_uda/gta_to_cityscapes_vitl14_dinov2',
    'hrda/gta_to_cityscapes_hrda_daformer_mitb5',
    'quadmix/gta_to_cityscapes_hrda_daformer_mitb5',
    'mic/gta_to_cityscapes_daformer_mitb5',
    'dacs/gta_to_cityscapes_segformer_b5',
    'dacs/gta_to_cityscapes_deeplabv2_r101',
    'advent/gta_to_cityscapes_deeplabv2_r101',
    'coast/coast_gta_to_cityscapes_idd_19cls',
    'dstc/gta_to_cityscapes_100labels_deeplabv2_r101',
    'stal/gta_to_cityscapes_65img_deeplabv3plus_r101',
    'vfm_uda/gta_to_cityscapes_vitl14_dinov2_lora',
    'vfm_uda/gta_to_cityscapes_plusplus_vitl14_dinov2',
    'vfm_uda/gta_to_cityscapes_vitb16_dinov3',
    'vfm_uda/gta_to_cityscapes_vitl16_dinov3',
)
#: peaks of the published code, GiB, by the same way of counting
PUBLISHED = {
    'daformer/gta_to_cityscapes_daformer_mitb5': 7.8,
    'mic/gta_to_cityscapes_hrda_daformer_mitb5': 18.8,
}


def needed(row: Mapping[str, Any]) -> float:
    """GiB that a GPU should have: tensors and the optimisers' state, a tenth for fragmentation, 1 for the context."""
    return 1.1 * (row['peak'] + row['state']) / GIB + 1


HEAD = """# Memory

Written by `python benchmarks/memory_table.py --only-write` from `benchmarks/results/memory.json`. One training step of
each config at its own crop and images per GPU, on tensors without data ([how](../../benchmarks/memory.py)): exact sizes
of what is alive; nothing was measured on a GPU. The variants are the overlays of `configs/_base_/memory`:
`checkpointing.py`, `bf16.py`, and `small_gpu.py`: both of them, and the copy of the teacher, for undoing a skipped
iteration, on the host.

## Peak of a step, GiB
Beside it the state of the optimisers, and the student's forward pass of one training image in TFLOP (two operations a
multiply-add). HRDA's forward pass is that of training, context and one detail crop.

| config | images, crop | fp32 | fp32 + checkpointing | bf16 | small_gpu | state | TFLOP |
|---|---|---|---|---|---|---|---|
"""
PUBLISHED_HEAD = """
## To the published code
Its peaks were counted in the same way.

| config | published, GiB | least here | ratio |
|---|---|---|---|
"""
FITS_HEAD = """
## What fits
The first variant of the table above, from left to right, for which 1.1 times (peak + state) + 1 GiB (CUDA context)
fits. An estimate: fragmentation and the workspaces of libraries are not computed.

"""
NAMES = ('fp32', 'fp32 + checkpointing', 'bf16', 'small_gpu')


def render(results: Mapping[str, Any]) -> str:
    """The page."""
    peaks, ratios, fits = [], [], []
    for name, entry in results.items():
        rows = {row['variant']: row for row in entry['rows']}
        of_variants = [f'{rows[v]["peak"] / GIB:.1f}' if v in rows else 'refused' for v in NAMES]
        crop = f'{entry["batch"]} of {entry["size"][0]}x{entry["size"][1]}'
        numbers = [f'{entry["rows"][0]["state"] / GIB:.2f}', f'{entry["flops"] / 1e12:.2f}']
        peaks.append(table_row(f'`{name}`', crop, *of_variants, *numbers))
        if name in PUBLISHED:
            least = min(entry['rows'], key=lambda row: row['peak'])
            peak = least['peak'] / GIB
            ratio = f'{peak / PUBLISHED[name]:.2f}'
            ratios.append(table_row(f'`{name}`', str(PUBLISHED[name]), f'{peak:.2f} ({least["variant"]})', ratio))
        fitting = [next((r['variant'] for r in entry['rows'] if needed(r) <= size * 1e9 / GIB), '-') for size in GPUS]
        fits.append(table_row(f'`{name}`', *fitting))
    head = table_row('config', *(f'{size} GB' for size in GPUS)) + f'|---|{"---|" * len(GPUS)}\n'
    return HEAD + ''.join(peaks) + PUBLISHED_HEAD + ''.join(ratios) + FITS_HEAD + head + ''.join(fits)


def table_row(*cells: str) -> str:
    """One line of a table."""
    return f'| {" | ".join(cells)} |\n'


def compute(name: str) -> dict[str, Any]:
    """The figures of a config of this repository, ``folder/name``."""
    from mmcv import Config

    from benchmarks import memory
    from mmseg_uda.engine.example_batch import crop_size

    path = ROOT / f'configs/{name}.py'
    cfg = Config.fromfile(str(path))
    size = crop_size(cfg)
    args = argparse.Namespace(config=str(path), options=None, size=None, batch=None)
    rows = []
    for variant, options in memory.MEMORY_VARIANTS.items():
        with tempfile.TemporaryDirectory() as folder:
            try:
                tally, state = memory.measure(args, dict(options), Path(folder))
            except ValueError as error:
                if 'no list of blocks to checkpoint' not in str(error):
                    raise
                continue
        kernels = sum(tally.kernels.values())
        rows.append(dict(variant=variant, peak=tally.peak, held=tally.held, state=round(state * GIB), kernels=kernels))
        print(f'{name}  {variant}: {tally.peak / GIB:.2f} GiB', flush=True)
    flops = memory.forward_flops(cfg, size)
    return dict(batch=cfg.data.samples_per_gpu, size=list(size), flops=flops, rows=rows)


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        '--rows', nargs='+', metavar='FOLDER/NAME', help='compute these anew (default: all that are missing)'
    )
    parser.add_argument('--only-write', action='store_true', help='write the page from the figures')
    args = parser.parse_args(argv)
    results = json.loads(RESULTS.read_text()) if RESULTS.is_file() else {}
    if not args.only_write:
        for name in args.rows or [name for name in ROWS if name not in results]:
            results[name] = compute(name)
            ordered = sorted(results, key=lambda one: ROWS.index(one) if one in ROWS else len(ROWS))
            RESULTS.write_text(json.dumps({one: results[one] for one in ordered}, indent=1) + '\n')
    PAGE.write_text(render(results))


if __name__ == '__main__':
    main()

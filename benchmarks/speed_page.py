"""docs/benchmarks/speed.md from the result files of ``all.py``, ``memory_table.py`` and ``train_step.py``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs' / 'benchmarks' / 'speed.md'
RESULTS = ROOT / 'benchmarks' / 'results'
DAFORMER, PUBLISHED_GIB, GIB = 'daformer/gta_to_cityscapes_daformer_mitb5', 7.8, 2**30

HEAD = """# Time of a training step

Written by `python benchmarks/all.py --page` from result files in `benchmarks/results`; no figure is typed. {device},
{threads}, torch {torch}, fp32. Only a CPU was at hand: **no GPU figure exists yet**, though the first aim of the
project (half the time, 60 % of the memory of the published step) is about a GPU; `tools/check_gpu.py` measures it
where there is one. torch.compile, bfloat16 and other allocators do not pay on these CPUs; that what a run frees stays
with it does (`mmseg_uda/utils/freed_memory.py`).

```bash
git worktree add ../older {older}
OMP_NUM_THREADS=1 python benchmarks/all.py --against ../older
python benchmarks/all.py --page
```
"""
STEPS_HEAD = """
## Since commit {older}
Processor seconds of single steps, least / median, the two checkouts in turn; this one is {commit}. The aims were 0.6
for CamVid and 0.75 for the toy world.

| step | {older} | now | ratio of the least | of the medians |
|---|---|---|---|---|
"""
TOOLS_HEAD = """
## From file to file
At {commit}: one more drawn 2048x1024 image (runs of {many} images less runs of {few}), SegFormer with MiT-B0 at
1024x512, random weights, one thread, processor seconds. The aim was 0.55.

| command | {older} | now | ratio |
|---|---|---|---|
"""
START = """
## Start
Processor seconds at {older} and {commit}: `tools/train.py --help` took {help[0]:.1f} and takes {help[1]:.2f}. A toy
DACS run to the end of its first iteration: {first[0]:.1f}, now {first[1]:.1f} (aim: 5). Most of what is left are
imports: torch, its compiler's front end (torchvision and the optimisers load it), mmcv, mmseg and timm.
"""
FORMS_HEAD = """
## Before and after of every form
Each fast form against the plain one, in turn in one process, {rounds} rounds after one that warms up, milliseconds
(least). The deviation is the relative L2 difference of outputs and gradients.

| form | on | before | after | ratio | of medians | deviation |
|---|---|---|---|---|---|---|
"""
MEMORY_HEAD = """
## Memory and launches without a GPU
A step on tensors without data (`benchmarks/memory.py CONFIG`): DAFormer with MiT-B5, {crop}, batch {batch}, GiB
without the optimiser's state ({state:.2f}). Published code by the same way of counting: {published}. [All
rows](memory.md).

| variant | peak GiB | to {published} | kernel launches |
|---|---|---|---|
"""
MEMORY_FOOT = """
`configs/_base_/memory/small_gpu.py` also keeps the copy of the teacher, for undoing a skipped iteration, on the host.
A test bounds the launches of every method's step and proves on `meta` tensors that no step waits for the host where
it need not (`tests/engine/test_dry_run.py`).
"""
SWITCHES_HEAD = """
## Switches of a whole step, at {commit}
DAFormer network with MiT-B0, random weights, {size}x{size}, batch {batch}, mean of {iters} iterations after one that
warms up; each variant in a process of its own; {hardware}. "All off" computes as the published code does
(`benchmarks/published_variants.py`); a row switches one thing on (`benchmarks/train_step.py`).
"""
SWITCHES_FOOT = """
**The aim of half the published time is missed on this CPU.** The reason is what remains when everything of the
lineage's overhead is gone: a profile of the DAFormer step spends most of its time in the decode head's convolutions,
forward and backward, which run at the peak of the core. The blur, the optimiser, the EMA and the label histogram that
the switches replace are small beside them. They matter where convolutions are cheap: on a GPU, where they cost
synchronisations and hundreds of kernel launches; that has not been measured.
"""


def line(*cells: str) -> str:
    """A line of a table."""
    return f'| {" | ".join(cells)} |\n'


def steps(result: Mapping[str, Any]) -> Iterator[str]:
    """Lines of the comparison of steps."""
    for row in result['steps']['rows']:
        (least_before, least), (median_before, median) = row['least'], row['median']
        yield line(
            row['name'],
            f'{least_before:.2f} / {median_before:.2f}',
            f'{least:.2f} / {median:.2f}',
            f'{least / least_before:.2f}',
            f'{median / median_before:.2f}',
        )


def tools(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Lines of the commands from file to file."""
    for row in rows:
        before, after = row['least']
        yield line(f'`{row["name"]}`', f'{before:.2f}', f'{after:.2f}', f'{after / before:.2f}')


def forms(rows: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    """Lines of the fast forms."""
    for row in rows:
        before, after = (1000 * value for value in row['least'])
        ratios = [f'{row["ratio"]:.2f}', f'{row["ratio_of_medians"]:.2f}', f'{row["deviation"]:.0e}']
        yield line(row['name'], row['size'], f'{before:.1f}', f'{after:.1f}', *ratios)


def memory() -> Iterator[str]:
    """The part about memory."""
    entry = json.loads((RESULTS / 'memory.json').read_text(encoding='utf-8'))[DAFORMER]
    yield MEMORY_HEAD.format(
        crop='x'.join(map(str, entry['size'])),
        batch=entry['batch'],
        state=entry['rows'][0]['state'] / GIB,
        published=PUBLISHED_GIB,
    )
    for row in entry['rows']:
        peak = row['peak'] / GIB
        yield line(row['variant'], f'{peak:.2f}', f'{peak / PUBLISHED_GIB:.2f}', str(row['kernels']))
    yield MEMORY_FOOT


def switches() -> Iterator[str]:
    """The part about switches."""
    result = json.loads((RESULTS / 'train_step_cpu.json').read_text(encoding='utf-8'))
    first = result['runs'][0]
    settings = {key: first['settings'][key] for key in ('size', 'batch', 'iters')}
    yield SWITCHES_HEAD.format(commit=result['commit'], hardware=first['hardware'], **settings)
    for part in result['runs']:
        for method in dict.fromkeys(row['method'] for row in part['results']):
            yield f'\n| {method} | s/iter | RSS GB | time to all off |\n|---|---|---|---|\n'
            rows = [row for row in part['results'] if row['method'] == method]
            for row in rows:
                ratio = row['seconds'] / rows[0]['seconds']
                yield line(row['variant'], f'{row["seconds"]:.2f}', f'{row["memory"]:.2f}', f'{ratio:.2f}')
    yield SWITCHES_FOOT


def render(result: Mapping[str, Any]) -> str:
    """The page."""
    threads = f'{result["threads"]} thread{"s" * (result["threads"] != 1)}'
    steps_of = {key: result['steps'][key] for key in ('older', 'commit')}
    head = HEAD.format(device=result['device'], threads=threads, torch=result['torch'], older=steps_of['older'])
    parts = [head, STEPS_HEAD.format(**steps_of), *steps(result)]
    if 'tools' in result:
        many, few = result['tools']['rows'][0]['images']
        older, commit = result['tools']['older'], result['tools']['commit']
        parts += [TOOLS_HEAD.format(many=many, few=few, older=older, commit=commit), *tools(result['tools']['rows'])]
    if 'start' in result:
        parts.append(START.format(**result['start']))
    parts += [FORMS_HEAD.format(rounds=result['rounds']), *forms(result['rows'])]
    return ''.join([*parts, *memory(), *switches()])


def write(result: Mapping[str, Any]) -> None:
    """Write the page."""
    PAGE.write_text(render(result), encoding='utf-8')

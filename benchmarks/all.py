"""Every figure of docs/benchmarks/speed.md, on any device.

    git worktree add ../older 4870b85
    OMP_NUM_THREADS=1 python benchmarks/all.py --against ../older   # forms, steps, tools, start; --only WORD ... some
    python benchmarks/all.py --page                                  # write the page from the JSON files

Fast forms are measured before and after in one process and in turn; whole steps and commands in two checkouts, in turn.
Times are processor seconds on a CPU, and seconds between two synchronisations on a GPU. The deviation is the relative
L2 difference of what both forms give: outputs and, where there are some, the gradients of all parameters. Memory and
launches come from ``memory_table.py``, the switches of a whole step from ``train_step.py``.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Callable, Iterator, NamedTuple, Optional, Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]

import speed_page  # noqa: E402
from provenance import commit_of, processor  # noqa: E402

#: what a form gives: tensors that the other form must give as well
Form = Callable[[], Any]


class Row(NamedTuple):
    """A fast form, the plain one, and what both are applied to."""

    name: str
    size: str
    before: Form
    after: Form


def seconds(form: Form, device: Any) -> tuple[float, Any]:
    """One call: (seconds, what it gives)."""
    import torch

    if device.type == 'cuda':
        torch.cuda.synchronize()
        start = time.perf_counter()
        found = form()
        torch.cuda.synchronize()
        return time.perf_counter() - start, found
    start = time.process_time()
    found = form()
    return time.process_time() - start, found


def deviation(one: Any, other: Any) -> float:
    """Relative L2 difference of all tensors."""
    import torch

    pairs = [(a.double().flatten(), b.double().flatten()) for a, b in zip(one, other)]
    a, b = (torch.cat(parts) for parts in zip(*pairs))
    return float((a - b).norm() / a.norm().clamp(min=1e-300))


def measured(row: Row, rounds: int, device: Any) -> dict[str, Any]:
    """Both forms in turn; the first round warms up."""
    times: tuple[list[float], list[float]] = ([], [])
    found: list[Any] = [None, None]
    for _ in range(rounds + 1):
        for i, form in enumerate((row.before, row.after)):
            spent, found[i] = seconds(form, device)
            times[i].append(spent)
    least = [min(part[1:]) for part in times]
    median = [statistics.median(part[1:]) for part in times]
    return dict(
        name=row.name,
        size=row.size,
        least=least,
        median=median,
        ratio=least[1] / least[0],
        ratio_of_medians=median[1] / median[0],
        deviation=deviation(*found),
    )


def main(argv: Optional[Sequence[str]] = None) -> dict[str, Any]:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', nargs='*', help='rows whose name contains one of these words; none: no forms')
    parser.add_argument(
        '--against', type=Path, help='checkout of an older commit: compare steps, tools and start as well'
    )
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--device', choices=['cuda', 'cpu'], help='default: cuda when there is one')
    parser.add_argument('--out', type=Path, help='default: benchmarks/results/all_<device>.json')
    parser.add_argument('--page', action='store_true', help='write the page from the file instead of measuring')
    args = parser.parse_args(argv)
    import torch

    device = torch.device(args.device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    out = args.out or ROOT / 'benchmarks' / 'results' / f'all_{device.type}.json'
    result = json.loads(out.read_text(encoding='utf-8')) if out.is_file() else {}
    if args.page:
        speed_page.write(result)
        return result
    warnings.filterwarnings('ignore')
    name = torch.cuda.get_device_name() if device.type == 'cuda' else processor()
    result.update(device=name, threads=torch.get_num_threads(), torch=torch.__version__, rounds=args.rounds)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as folder:
        for key, value in found(args, device, Path(folder)):
            result[key] = joined(result.get('rows', []), value) if key == 'rows' else value
            out.write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')
    return result


def joined(known: Sequence[dict[str, Any]], new: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rows with the new ones in place of those of the same name."""
    return list({row['name']: row for row in [*known, *new]}.values())


def found(args: argparse.Namespace, device: Any, folder: Path) -> Iterator[tuple[str, Any]]:
    """The parts of the result as they are measured; each comparison of checkouts names both commits."""
    if args.only is None or args.only:
        yield 'rows', list(forms(args, device, folder))
    if args.against is None:
        return
    import whole_processes as whole

    older = args.against.resolve()
    commits = dict(older=commit_of(older), commit=commit_of(ROOT))
    yield 'steps', dict(commits, rows=list(whole.steps(older, 2)))
    yield 'tools', dict(commits, rows=list(whole.tools(older, 1, folder)))
    yield 'start', dict(commits, **whole.start(folder, older))


def forms(args: argparse.Namespace, device: Any, folder: Path) -> Iterator[dict[str, Any]]:
    """Every fast form against the plain one."""
    import all_rows

    all_rows.FOLDER = folder
    for maker in all_rows.MAKERS:
        if args.only and not any(word in maker.__doc__ for word in args.only):
            continue
        row = measured(Row(maker.__doc__, *maker(device)), args.rounds, device)
        print(f'{row["name"]}: {row["ratio"]:.2f} ({row["deviation"]:.0e})', flush=True)
        yield row


if __name__ == '__main__':
    main()

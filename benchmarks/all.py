"""Before and after of every fast form, in one process and in turn (before, after, before, after ...), on any device.

    OMP_NUM_THREADS=1 python benchmarks/all.py                 # all rows; --only WORD ... some
    python benchmarks/all.py --page                            # write docs/benchmarks/speed.md from the JSON file

Times are processor seconds on a CPU, and seconds between two synchronisations on a GPU. The deviation is the relative
L2 difference of what both forms give: outputs and, where there are some, the gradients of all parameters.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any, Callable, NamedTuple, Optional, Sequence

ROOT = Path(__file__).resolve().parents[1]
sys.path[:0] = [str(ROOT), str(ROOT / 'benchmarks')]
PAGE = ROOT / 'docs' / 'benchmarks' / 'speed.md'
BEGIN, END = '<!-- benchmarks/all.py: begin -->\n', '<!-- benchmarks/all.py: end -->'
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


def table(result: dict[str, Any]) -> str:
    """The rows as Markdown."""
    lines = [
        f'{result["device"]}, {result["threads"]} thread{"s" * (result["threads"] != 1)}, torch {result["torch"]}; '
        f'{result["rounds"]} rounds in turn after one that warms up, milliseconds (least).\n',
        '| form | on | before | after | ratio | of medians | deviation |',
        '|---|---|---|---|---|---|---|',
    ]
    for row in result['rows']:
        before, after = (1000 * value for value in row['least'])
        lines.append(
            f'| {row["name"]} | {row["size"]} | {before:.1f} | {after:.1f} | {row["ratio"]:.2f} | '
            f'{row["ratio_of_medians"]:.2f} | {row["deviation"]:.0e} |'
        )
    return '\n'.join(lines) + '\n'


def write_page(result: dict[str, Any]) -> None:
    """Put the table between the marks of the page."""
    text = PAGE.read_text(encoding='utf-8')
    head, rest = text.split(BEGIN)
    PAGE.write_text(f'{head}{BEGIN}{table(result)}{END}{rest.split(END)[1]}', encoding='utf-8')


def main(argv: Optional[Sequence[str]] = None) -> dict[str, Any]:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--only', nargs='+', default=[], help='rows whose name contains one of these words')
    parser.add_argument('--rounds', type=int, default=5)
    parser.add_argument('--device', choices=['cuda', 'cpu'], help='default: cuda when there is one')
    parser.add_argument('--out', type=Path, help='default: benchmarks/results/all_<device>.json')
    parser.add_argument('--page', action='store_true', help='write the page from the file instead of measuring')
    args = parser.parse_args(argv)
    import torch

    device = torch.device(args.device or ('cuda' if torch.cuda.is_available() else 'cpu'))
    out = args.out or ROOT / 'benchmarks' / 'results' / f'all_{device.type}.json'
    if args.page:
        result = json.loads(out.read_text(encoding='utf-8'))
        write_page(result)
        return result
    warnings.filterwarnings('ignore')
    name = torch.cuda.get_device_name() if device.type == 'cuda' else platform.processor() or platform.machine()
    result = dict(device=name, threads=torch.get_num_threads(), torch=torch.__version__, rounds=args.rounds, rows=[])
    with tempfile.TemporaryDirectory() as folder:
        import all_rows

        all_rows.FOLDER = Path(folder)
        for maker in all_rows.MAKERS:
            if args.only and not any(word in maker.__doc__ for word in args.only):
                continue
            row = measured(Row(maker.__doc__, *maker(device)), args.rounds, device)
            result['rows'].append(row)
            print(f'{row["name"]}: {row["ratio"]:.2f} ({row["deviation"]:.0e})', flush=True)
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(result, indent=1) + '\n', encoding='utf-8')
    print(table(result))
    return result


if __name__ == '__main__':
    main()

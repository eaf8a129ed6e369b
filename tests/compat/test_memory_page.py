"""The page on memory is what its program writes from the committed figures."""

from __future__ import annotations

import json

from benchmarks import memory_table
from tests.compat.test_repository import ROOT


def test_the_memory_page_is_written_from_its_figures() -> None:
    results = json.loads((ROOT / 'benchmarks/results/memory.json').read_text(encoding='utf-8'))
    assert results and set(results) <= set(memory_table.ROWS)
    assert (ROOT / 'docs/benchmarks/memory.md').read_text(encoding='utf-8') == memory_table.render(results)
    for name, entry in results.items():
        peaks = {row['variant']: row['peak'] for row in entry['rows']}
        assert (ROOT / f'configs/{name}.py').is_file() and peaks['small_gpu'] < peaks['fp32'], name


def test_a_gpu_needs_room_beside_the_tensors() -> None:
    assert memory_table.needed(dict(peak=2**30, state=2**30)) > 3

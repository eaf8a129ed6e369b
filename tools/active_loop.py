"""Train and buy labels in turn, for all rounds of a config: ``python tools/active_loop.py CONFIG``; run it again to
go on."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.active.loop import main
from mmseg_uda.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(main)

"""Choose what to annotate and keep the books: ``python tools/select_active.py rank|buy|import|status|pictures
CONFIG``."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.active.cli import main
from mmseg_uda.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(main)

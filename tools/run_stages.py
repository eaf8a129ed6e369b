"""Run a recipe of several stages, such as ESL's: ``python tools/run_stages.py CONFIG``. Goes on where it stopped."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.engine.stages import main
from mmseg_uda.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(main)

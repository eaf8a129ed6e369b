"""Optical flow of a config's videos: ``python tools/flow.py compute|check|show CONFIG``."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.engine.flow_tool import main
from mmseg_uda.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(main)

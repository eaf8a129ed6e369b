"""Pseudo-labels of a whole data set: ``python tools/pseudo_labels.py extract|threshold|stats|show``."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.engine.pseudo_label_tool import main
from mmseg_uda.utils.cli import run_tool

if __name__ == '__main__':
    run_tool(main)

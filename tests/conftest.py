"""The package comes first: it installs the stand-in for mmcv's compiled ops before anything imports MMSegmentation."""

import mmseg_uda  # noqa: F401

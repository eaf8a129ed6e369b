"""The demo of the README: ``make demo``."""

import mmseg_uda  # noqa: F401  (first: it prepares mmcv)
from mmseg_uda.engine.demo import main

if __name__ == '__main__':
    main()

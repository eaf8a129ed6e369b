"""Pure tensor functions on torch and numpy alone: no mmcv, no mmseg, no global random numbers."""

"""Image memory for class-guided box CutMix (AEL's adaptive CutMix)."""
from __future__ import annotations

import cv2
import numpy as np

from ..ops.adaptive_mix import raster_components


def class_components(mask: np.ndarray) -> np.ndarray:
    """8-connected components of a bool mask (H, W), numbered from 1 by the raster order of their first pixels; 0 = background."""
    _, components = cv2.connectedComponents(mask.astype(np.uint8), connectivity=8)
    return raster_components(components)

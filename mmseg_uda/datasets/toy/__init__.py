"""The toy world: seeded street scenes in the official layouts of the data sets of the field, with real domain gaps and no download."""
from __future__ import annotations

from .world import TOY_DATASETS, draw_missing, ensure_toy_world

__all__ = ['TOY_DATASETS', 'draw_missing', 'ensure_toy_world']

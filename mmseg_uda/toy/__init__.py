"""The toy world: seeded street scenes in the official layouts of the field's data sets, with real domain gaps."""

from __future__ import annotations

from .world import TOY_DATASETS, draw_missing, ensure_toy_world

__all__ = ['TOY_DATASETS', 'draw_missing', 'ensure_toy_world']

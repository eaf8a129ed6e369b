"""Data sets, label spaces, source/target pairing, rare-class sampling and training pipelines."""

from .builder import build_training_dataset

__all__ = ['build_training_dataset']

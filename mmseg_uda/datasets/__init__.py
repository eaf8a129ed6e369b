"""Data sets, label spaces, source/target pairing and pipelines."""

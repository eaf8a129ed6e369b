# The multi-target benchmarks in 7 classes, CoaST's input of 640x320, targets without labels.
_base_ = ['mtda_streams.py']
settings = {{_base_.mtda.classes7}}
mtda = coast = coast_paper = mtaf = mtaf_source_only = None

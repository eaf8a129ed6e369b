# The multi-target benchmarks in 19 classes, CoaST's input of 1024x512, targets without labels.
_base_ = ['mtda_streams.py']
settings = {{_base_.mtda.classes19}}
mtda = coast = coast_paper = mtaf = mtaf_source_only = None

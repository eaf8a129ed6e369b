# The multi-target benchmarks in 19 classes, MTAF's input: whole images of 1024x512 (our choice, CoaST's size).
_base_ = ['mtda_streams.py']
settings = {{_base_.mtaf.classes19}}
source_only = {{_base_.mtaf_source_only.classes19}}
mtda = coast = coast_paper = mtaf = mtaf_source_only = None
data = dict(samples_per_gpu=1)

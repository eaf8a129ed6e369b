# The multi-target benchmarks in 7 classes, MTAF's input: whole images of 640x320.
_base_ = ['mtda_streams.py']
settings = {{_base_.mtaf.classes7}}
source_only = {{_base_.mtaf_source_only.classes7}}
mtda = coast = coast_paper = mtaf = mtaf_source_only = None
data = dict(samples_per_gpu=1)

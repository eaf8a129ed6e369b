# CoaST's self-training in 19 classes: targets with stored pseudo-labels, which follow the image as in the released code.
_base_ = ['mtda_streams.py']
settings = {{_base_.coast.classes19}}
mtda = coast = coast_paper = mtaf = mtaf_source_only = None

# As coast_paper_19cls.py with images normalised as for ImageNet.
_base_ = ['mtda_streams.py']
settings = {{_base_.coast_paper.classes19_imagenet}}
mtda = coast = coast_paper = mtaf = mtaf_source_only = None

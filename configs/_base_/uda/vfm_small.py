# VFM-UDA for the small networks: blocks are scaled to small crops, the teacher is as fast as a short run needs.
_base_ = ['vfm_uda.py']
uda = dict(teacher=dict(alpha=0.99), masking=dict(masker=dict(block_size=16)))

# MIC on HRDA: as mic.py with blocks for full resolution.
_base_ = ['mic.py']
uda = dict(mask_generator=dict(mask_block_size=64))

# RIPU's training with random regions, otherwise the same.
_base_ = ['./toy_gta_to_toy_cityscapes_ra_2p2pct.py']
active = dict(acquisition=dict(_delete_=True, type='RandomRegions', radius=1))

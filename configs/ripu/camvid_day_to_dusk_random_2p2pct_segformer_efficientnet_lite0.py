# RIPU's training with random regions, otherwise the same.
_base_ = ['./camvid_day_to_dusk_ra_2p2pct_segformer_efficientnet_lite0.py']
active = dict(acquisition=dict(_delete_=True, type='RandomRegions', radius=1))

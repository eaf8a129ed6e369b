# RIPU-RA: CamVid by day to CamVid at dusk, 5 % of the pixels of every frame.
_base_ = ['./camvid_day_to_dusk_ra_2p2pct_segformer_efficientnet_lite0.py']
active = dict(budget=dict(share=0.05))

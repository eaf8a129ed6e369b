# RIPU-RA: the toy world's rendered game to its European city, 5 % of the pixels of every image.
_base_ = ['./toy_gta_to_toy_cityscapes_ra_2p2pct.py']
active = dict(budget=dict(share=0.05))

# RIPU's training with random regions and 5 % of the pixels of every image.
_base_ = ['./toy_gta_to_toy_cityscapes_random_2p2pct.py']
active = dict(budget=dict(share=0.05))

# RIPU's training with random regions and 5 % of the pixels of every image.
_base_ = ['./toy_gta_to_toy_cityscapes_random_2p2pct.py']
active = dict(folder='work_dirs/ripu_toy_random_5pct/active', budget=dict(share=0.05))

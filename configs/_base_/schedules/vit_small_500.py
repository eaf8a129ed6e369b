# 500 iterations for the toy world.
_base_ = ['vit_small_2500.py']
runner = dict(max_iters=500)
checkpoint_config = dict(interval=250)
evaluation = dict(interval=250)

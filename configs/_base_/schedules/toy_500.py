# 500 iterations for the toy world on a CPU; otherwise as the CamVid runs.
_base_ = ['camvid_2500.py']
runner = dict(max_iters=500)
checkpoint_config = dict(interval=250)
evaluation = dict(interval=250)

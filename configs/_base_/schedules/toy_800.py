# 800 iterations for the toy world on a CPU; otherwise as the CamVid runs.
_base_ = ['camvid_2500.py']
runner = dict(max_iters=800)
checkpoint_config = dict(interval=400)
evaluation = dict(interval=400)

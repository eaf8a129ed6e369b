# CoaST's first stage for networks on a MiT, which is our choice: as coast_60k_mit, with Adam for the discriminators.
_base_ = ['coast_60k_mit.py']
_adamw = {{_base_.optimizer}}
optimizer = dict(_delete_=True, segmentor=_adamw, discriminator=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99)))
lr_config = dict(horizon=20000)
runner = dict(max_iters=20000)
evaluation = dict(interval=5000)

# CoaST's second stage for networks on a MiT, which is our choice: AdamW, all classifiers at ten times the backbone's rate. The horizon does
# not depend on where a round of the recipe ends.
_base_ = ['uda_40k_mit.py']
optimizer_config = dict(backward='sequential')
lr_config = dict(
    _delete_=True, policy='PolyHorizon', horizon=60000, power=1.0, warmup='linear', warmup_iters=1500, warmup_ratio=1e-6
)
runner = dict(max_iters=60000)
checkpoint_config = dict(interval=1000)
evaluation = dict(interval=1000, save_best='mIoU')

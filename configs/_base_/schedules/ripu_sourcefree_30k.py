# RIPU without source data: twice the rate, 30k iterations that start with a purchase.
_base_ = ['ripu_40k.py']
optimizer = dict(lr=5e-4)
lr_config = dict(horizon=31250)
runner = dict(max_iters=30000)
custom_hooks = [dict(type='ActiveSelectionHook', iters=[0, 2000, 4000, 6000, 8000])]

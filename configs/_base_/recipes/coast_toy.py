# CoaST, second stage, in the toy world.
_base_ = ['../default_runtime.py', '../models/tiny_lite0.py', '../uda/coast.py', '../schedules/toy_500.py']
_layers = ['timm_model.blocks.1.0', 'timm_model.blocks.1.1', 'timm_model.blocks.2.0', 'timm_model.blocks.2.1']
uda = dict(styliser=dict(layers=_layers))
runner = dict(max_iters=250)

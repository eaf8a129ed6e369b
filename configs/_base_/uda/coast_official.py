# CoaST as released: one rectification weight per batch, statistics of every pass, restyled at every bottleneck of the first two stages.
_base_ = ['coast.py']
_layers = [f'layer1.{i}' for i in range(3)] + [f'layer2.{i}' for i in range(4)]
uda = dict(loss_mode='official', styliser=dict(mode='official', layers=_layers))

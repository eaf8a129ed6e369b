# CoaST, first stage, in the toy world. Discriminators are as narrow as the network.
_base_ = [
    '../default_runtime.py',
    '../models/tiny_lite0.py',
    '../uda/coast_warmup.py',
    '../schedules/adversarial_toy_500.py',
]
runner = dict(max_iters=250)
uda = dict(discriminator=dict(ndf=16))

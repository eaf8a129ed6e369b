# DA-VSN in the toy world. The network has one classifier, the discriminators are narrow.
_base_ = [
    '../default_runtime.py',
    '../models/fused_tiny_lite0.py',
    '../uda/davsn.py',
    '../schedules/adversarial_toy_500.py',
]
uda = dict(
    lambda_u=dict(_delete_=True, decode=0.001),
    consistency=dict(_delete_=True, decode=0.001),
    discriminator=dict(ndf=16),
)

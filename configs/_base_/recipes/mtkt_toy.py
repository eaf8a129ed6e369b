# MTKT in the toy world. Discriminators are as narrow as the network.
_base_ = ['../default_runtime.py', '../models/tiny_lite0.py', '../uda/mtkt.py', '../schedules/adversarial_toy_500.py']
uda = dict(discriminator=dict(ndf=16))

# AdvEnt in the toy world, whose network has one classifier. A discriminator of the published width costs more than this network.
_base_ = ['../default_runtime.py', '../models/tiny_lite0.py', '../uda/advent.py', '../schedules/adversarial_toy_500.py']
uda = dict(lambda_adv=dict(_delete_=True, decode=0.001), discriminator=dict(ndf=16))

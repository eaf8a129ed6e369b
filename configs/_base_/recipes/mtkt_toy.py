# MTKT in the toy world.
_base_ = ['../default_runtime.py', '../models/tiny_lite0.py', '../uda/mtkt.py', '../schedules/adversarial_toy_500.py']

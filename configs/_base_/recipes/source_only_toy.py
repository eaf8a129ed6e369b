# Source-only and oracles of the toy world.
_base_ = ['../default_runtime.py', '../models/tiny_lite0.py', '../schedules/toy_500.py']

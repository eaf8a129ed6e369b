# STAL's training with images drawn at random, otherwise the same.
_base_ = ['./toy_gta_to_toy_cityscapes.py']
active = dict(acquisition=dict(type='RandomImages'))

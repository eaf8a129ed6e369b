# MIC's training of the toy world with ESL's entropy criterion; its medians start after 100 iterations of self-training.
# Only trusted pixels count (docs/methods/esl.md).
_base_ = ['../mic/toy_gta_to_toy_cityscapes.py']
uda = dict(pseudo_labeler=dict(type='EntropyPseudoLabel', mode='pixel_mask', warmup=100, min_mass=2e3))

# Composition: QuadMix with ESL's entropy criterion. The teacher's labels weigh by class-wise thresholds on their entropy.
_base_ = ['toy_gta_to_toy_cityscapes.py']
uda = dict(pseudo_labeler=dict(type='EntropyPseudoLabel', mode='pixel_mask', warmup=100, min_mass=2e3))

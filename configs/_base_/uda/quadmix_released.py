# QuadMix as the released code trains: quirks 1, 2, 3, 9 and 12 of docs/methods/quadmix.md.
_base_ = ['quadmix.py']
uda = dict(
    reinit_teacher=True, quad=dict(exclude='position', template_ignore=True, patch_norm='legacy', patch_weight='keep')
)

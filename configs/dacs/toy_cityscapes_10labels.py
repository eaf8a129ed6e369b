# Semi-supervised training inside the target: DACS's parts with 10 labelled images of the toy world's European city in place of the
# source.
_base_ = ['toy_gta_to_toy_cityscapes_10labels.py']
data = dict(train=dict(source=None))

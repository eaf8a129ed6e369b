# Target-only: supervised training on 10 labelled images of the toy world's European city alone.
_base_ = ['toy_gta_to_toy_cityscapes_10labels_st.py']
data = dict(train=dict(source=None))

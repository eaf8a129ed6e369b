# CutMix between the labelled domains: boxes of the toy world's rendered game on 10 labelled images of its European city.
_base_ = ['toy_gta_to_toy_cityscapes_10labels_st.py']
uda = dict(mixer=dict(type='BoxMixer'))

# DACS: Potsdam in red, green, blue to Vaihingen in near infrared, red, green: the bands differ as well. SegFormer-B5.
_base_ = ['potsdam_irrg_to_vaihingen_segformer_b5.py']
data = dict(train=dict(source=dict(data_root={{_base_.roots.potsdam}})))

# As camvid_2500 with discriminators.
_base_ = ['camvid_2500.py']
optimizer = dict(
    _delete_=True, segmentor={{_base_.optimizer}}, discriminator=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))
)

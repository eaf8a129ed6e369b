# As uda_40k_mit with discriminators.
_base_ = ['uda_40k_mit.py']
optimizer = dict(
    _delete_=True, segmentor={{_base_.optimizer}}, discriminator=dict(type='Adam', lr=1e-4, betas=(0.9, 0.99))
)

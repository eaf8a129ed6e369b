# As tps_40k with the rates that the released code really uses: fusion layer x10, classifiers x10 without decay, and every
# convolution of the backbone stepped once per module around it.
_base_ = ['tps_40k.py']
optimizer = dict(_delete_=True, type='RepeatedSGD', lr=1e-4, momentum=0.9, weight_decay=5e-4, constructor='FusionRates')

# 40k iterations for networks on a MiT: norms without weight decay, otherwise as for a ResNet.
_base_ = ['uda_40k_cnn.py']
optimizer = dict(paramwise_cfg=dict(custom_keys=dict(pos_block=dict(decay_mult=0.0), norm=dict(decay_mult=0.0))))

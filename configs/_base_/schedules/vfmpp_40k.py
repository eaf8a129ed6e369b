# VFM-UDA++: as VFM-UDA with rates that fall from block to block.
_base_ = ['vfm_40k.py']
optimizer = dict(paramwise_cfg=dict(layer_decay=0.9))

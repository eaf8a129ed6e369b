# Ablation of HRDA: no loss on the detail crop alone (lambda_d = 0). GTA5 to Cityscapes.
_base_ = ['./gta_to_cityscapes_hrda_daformer_mitb5.py']
model = dict(decode_head=dict(hr_loss_weight=0))

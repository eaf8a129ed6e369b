# As deeplabv3plus-rep_r101-d8 with the deep stem (64/64/128 channels) of the released U2PL/STAL code, for the authors' checkpoints and
# their ImageNet weights; no stock weights fit this stem.
_base_ = ['deeplabv3plus-rep_r101-d8.py']
model = dict(pretrained=None, backbone=dict(stem_channels=128, base_channels=64))

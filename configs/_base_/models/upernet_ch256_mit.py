# UPerNet with 256 channels on MiT-B5 (decoder study).
_base_ = ['./upernet_mit.py']
model = dict(decode_head=dict(channels=256))

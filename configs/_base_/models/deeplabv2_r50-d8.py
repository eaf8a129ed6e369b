# DeepLabV2 with all four dilations.
_base_ = ['./deeplabv2red_r50-d8.py']
model = dict(decode_head=dict(dilations=(6, 12, 18, 24)))

# S+T, target-only and source-only as baselines of DSTC: DeepLabV2 on ResNet-101. A config leaves out the streams that are not trained on.
_base_ = ['dstc_deeplabv2_r101.py']
uda = dict(_delete_=True, type='SourceOnly')

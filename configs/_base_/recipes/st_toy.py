# S+T, target-only and source-only as baselines of DSTC: the toy world. A config leaves out the streams that are not trained on.
_base_ = ['dstc_toy.py']
uda = dict(_delete_=True, type='SourceOnly')

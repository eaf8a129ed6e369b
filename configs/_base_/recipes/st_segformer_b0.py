# S+T, target-only and source-only as baselines of DSTC: SegFormer-B0. A config leaves out the streams that are not trained on.
_base_ = ['dstc_segformer_b0.py']
uda = dict(_delete_=True, type='SourceOnly')

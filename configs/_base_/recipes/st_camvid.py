# S+T, target-only and source-only as baselines of DSTC: the small CPU network on CamVid. A config leaves out the streams that are not trained on.
_base_ = ['dstc_camvid.py']
uda = dict(_delete_=True, type='SourceOnly')

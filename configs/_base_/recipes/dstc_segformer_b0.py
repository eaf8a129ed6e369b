# DSTC, co-training: two SegFormer-B0.
_base_ = ['../default_runtime.py', '../models/segformer_b0.py', '../uda/dstc.py', '../schedules/uda_40k_mit.py']

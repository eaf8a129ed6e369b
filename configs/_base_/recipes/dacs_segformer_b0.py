# DACS: SegFormer-B0.
_base_ = ['../default_runtime.py', '../models/segformer_b0.py', '../uda/dacs.py', '../schedules/uda_40k_mit.py']

# DACS: SegFormer-B5.
_base_ = ['../default_runtime.py', '../models/segformer_b5.py', '../uda/dacs.py', '../schedules/uda_40k_mit.py']

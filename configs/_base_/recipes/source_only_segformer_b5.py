# Source-only and oracles: SegFormer-B5.
_base_ = ['../default_runtime.py', '../models/segformer_b5.py', '../schedules/uda_40k_mit.py']

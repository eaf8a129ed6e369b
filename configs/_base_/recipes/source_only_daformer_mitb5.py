# Source-only and oracles: the DAFormer network (MiT-B5).
_base_ = ['../default_runtime.py', '../models/daformer_sepaspp_mitb5.py', '../schedules/uda_40k_mit.py']

# MIC for the small networks: blocks are scaled to 256x256 crops, the teacher is as fast as a short run needs. These networks have batch
# norm in every layer: masked images must not shape the statistics that they are tested with.
_base_ = ['mic.py']
uda = dict(alpha=0.99, mask_generator=dict(mask_block_size=16), mask_running_statistics=False)

# MIC for the small networks: blocks are scaled to 256x256 crops, the teacher is as fast as a short run needs. These networks have batch
# norm in every layer: masked images must not shape the statistics that they are tested with. Their teachers are weak: a masked loss of
# weight 1, as published, costs more by the classes that a teacher does not name than it brings (docs/methods/mic.md).
_base_ = ['mic.py']
uda = dict(alpha=0.99, mask_lambda=0.1, mask_generator=dict(mask_block_size=16), mask_running_statistics=False)

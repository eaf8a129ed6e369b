# The source network from which RIPU's source-free variant starts: 20k iterations, nothing is bought.
_base_ = ['ripu_sourcefree_30k.py']
runner = dict(max_iters=20000)
custom_hooks = []

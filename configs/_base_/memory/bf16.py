# Less memory and, on a GPU with bfloat16 units, less time: forward passes in bfloat16. For any config:
# _base_ = ['../daformer/....py', '../_base_/memory/bf16.py']
memory = dict(precision='bf16')

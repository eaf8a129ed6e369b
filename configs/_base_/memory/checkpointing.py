# Less memory on any network: blocks of the encoder are computed again in backward. For any config:
# _base_ = ['../daformer/....py', '../_base_/memory/checkpointing.py']
memory = dict(activation_checkpointing=True, windows_per_chunk='auto')

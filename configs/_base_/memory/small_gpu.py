# Everything that saves memory. For any config:
# _base_ = ['../daformer/....py', '../_base_/memory/small_gpu.py']
memory = dict(activation_checkpointing=True, windows_per_chunk='auto', precision='bf16', teacher_copy='host')

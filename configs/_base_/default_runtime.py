# Logging, checkpoints and process settings of every run.
custom_imports = dict(imports=['mmseg_uda'], allow_failed_imports=False)
log_config = dict(interval=50, hooks=[dict(type='TextLoggerHook', by_epoch=False)])
dist_params = dict(backend='nccl')
log_level = 'INFO'
load_from = None
resume_from = None
workflow = [('train', 1)]
cudnn_benchmark = True

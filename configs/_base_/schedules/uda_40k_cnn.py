# 40k iterations for networks on a ResNet: AdamW, warm-up, linear decay.
_base_ = ['adamw.py', 'poly10warm.py']
runner = dict(type='IterBasedRunner', max_iters=40000)
checkpoint_config = dict(by_epoch=False, interval=4000, max_keep_ckpts=2)
evaluation = dict(interval=4000, metric='mIoU')

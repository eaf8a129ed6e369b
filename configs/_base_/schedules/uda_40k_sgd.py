# 40k iterations of SGD at one rate, as the adversarial and entropy baselines of the MIC code run.
_base_ = ['poly10warm.py']
optimizer = dict(segmentor=dict(type='SGD', lr=2.5e-3, momentum=0.9, weight_decay=5e-4))
optimizer_config = dict()
runner = dict(type='IterBasedRunner', max_iters=40000)
checkpoint_config = dict(by_epoch=False, interval=4000, max_keep_ckpts=2)
evaluation = dict(interval=4000, metric='mIoU')

# Stages of DSTC that divide the 500 iterations of the baselines on the toy world: a quarter for each warm-up, half for co-training.
_base_ = ['dstc.py']
_lr = dict(warmup_iters=20)
warm_up = dict(lr_config=_lr, runner=dict(max_iters=125))
source = dict(name='source', type='train', config='../source_only/toy_gta_to_toy_cityscapes.py', options=warm_up)
co_training = dict(lr_config=_lr, runner=dict(max_iters=250))

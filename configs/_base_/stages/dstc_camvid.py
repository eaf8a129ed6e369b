# Stages of DSTC that divide the 2500 iterations of the baselines on CamVid: a quarter for each warm-up, half for co-training.
_base_ = ['dstc.py']
_lr = dict(warmup_iters=20)
warm_up = dict(lr_config=_lr, runner=dict(max_iters=625))
source = dict(
    name='source', type='train', config='../source_only/camvid_day_segformer_efficientnet_lite0.py', options=warm_up
)
co_training = dict(lr_config=_lr, runner=dict(max_iters=1250))

# Linear decay without warm-up, as the DAFormer paper's ablation ran it: min_lr lies above the backbone's rate of 6e-5, so that rate rises
# from 6e-5 to 1e-4 instead of falling. Use min_lr=0 in new configs.
lr_config = dict(policy='poly', power=1.0, min_lr=1e-4, by_epoch=False)

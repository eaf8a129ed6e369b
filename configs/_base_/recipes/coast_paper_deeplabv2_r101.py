# CoaST, second stage, with the paper's losses and statistics.
_base_ = ['coast_deeplabv2_r101.py']
uda = dict(loss_mode='paper', styliser=dict(mode='clean'))

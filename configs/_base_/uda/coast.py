# CoaST as the paper describes it: rectification per pixel, statistics of natural passes only.
uda = dict(type='CoaST', num_targets=2, gamma=1.0, loss_mode='paper', styliser=dict(type='ChannelStatistics', mode='clean'))

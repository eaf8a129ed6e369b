# CoaST as the paper describes it: rectification per pixel, statistics of natural passes only. The number of targets is that of the data.
uda = dict(type='CoaST', gamma=1.0, loss_mode='paper', styliser=dict(type='ChannelStatistics', mode='clean'))

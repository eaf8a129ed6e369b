# DSTC's co-training. A recipe (configs/dstc/*_stages.py) sets the warm-ups; without one give uda.init.source and uda.init.target on the
# command line, or init=None to start both networks as the model says.
uda = dict(type='DSTC', init=dict(source='set by the recipe *_stages.py', target='set by the recipe *_stages.py'))

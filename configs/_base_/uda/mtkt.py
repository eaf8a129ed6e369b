# MTKT: a discriminator and a classifier per target, the agnostic classifier is distilled. The number of targets is that of the data.
uda = dict(type='MTKT', discriminator=dict(type='FCDiscriminator', ndf=64))

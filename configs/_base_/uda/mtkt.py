# MTKT: a discriminator and a classifier per target, the agnostic classifier is distilled.
uda = dict(
    type='MTKT',
    num_targets=2,
    lambda_adv=0.0005,
    lambda_kd=1.0,
    discriminator=dict(type='FCDiscriminator', ndf=64))

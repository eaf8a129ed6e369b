# CoaST, first stage: a classifier and a discriminator per target. The average of the classifiers answers at test time.
uda = dict(type='CoaSTWarmUp', lambda_adv=dict(decode=0.001), discriminator=dict(type='StridedDiscriminator', ndf=64))

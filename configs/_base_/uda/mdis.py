# MDis: discriminators between the source and each target, and between targets. The number of targets is that of the data.
uda = dict(type='MDis', game='multi', discriminator=dict(type='FCDiscriminator', ndf=64))

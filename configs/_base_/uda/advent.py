# AdvEnt: discriminators on self-information maps of both classifiers.
uda = dict(
    type='AdvEnt',
    input_transform='self_information',
    lambda_adv=dict(decode=0.001, aux=0.0002),
    discriminator=dict(type='FCDiscriminator', ndf=64),
)

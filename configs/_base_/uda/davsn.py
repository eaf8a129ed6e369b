# DA-VSN: discriminators on frame pairs and on single frames, and consistency with the propagated prediction.
uda = dict(
    type='DAVSN',
    lambda_u=dict(decode=0.001, aux=0.0002),
    lambda_sa=1.0,
    lambda_wd=1.0,
    consistency=dict(decode=0.001, aux=0.001),
    discriminator=dict(type='FCDiscriminator', ndf=64),
    match_frames=False,
)

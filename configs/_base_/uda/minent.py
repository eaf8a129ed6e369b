# MinEnt: mean entropy of both classifiers on the target.
uda = dict(type='MinEnt', lambda_ent=dict(decode=0.001, aux=0.0002))

# FDA: low-frequency amplitudes of a target image, and a robust entropy on the target.
uda = dict(type='FDA', beta=0.01, lambda_ent=dict(decode=0.005), eta=2.0)

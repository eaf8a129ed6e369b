# RIPU: source and bought target pixels, local consistency on the source, negative learning on the target.
uda = dict(type='RIPU', consistency_weight=0.1, negative_weight=1.0, negative_threshold=0.05)

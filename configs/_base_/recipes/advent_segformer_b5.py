# AdvEnt: SegFormer-B5, which has one classifier.
_base_ = [
    '../default_runtime.py',
    '../models/segformer_b5.py',
    '../uda/advent.py',
    '../schedules/adversarial_40k_mit.py',
]
uda = dict(lambda_adv=dict(_delete_=True, decode=0.001))

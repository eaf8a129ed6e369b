# STAL's training with frames drawn at random, otherwise the same.
_base_ = ['./camvid_day_to_dusk_segformer_efficientnet_lite0.py']
active = dict(acquisition=dict(type='RandomImages'))

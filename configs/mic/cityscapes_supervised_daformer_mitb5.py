# Supervised MIC: masked source images of Cityscapes at half resolution, no adaptation.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/daformer_sepaspp_mitb5.py',
    '../_base_/datasets/cityscapes_half_512x512.py',
    '../_base_/uda/mic_target.py',
    '../_base_/schedules/uda_40k_mit.py',
]
uda = dict(source_only=True, mask_mode='separatesrc')

# MIC on DACS: Potsdam (IRRG) to Vaihingen, DAFormer network (MiT-B5).
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/daformer_sepaspp_mitb5.py',
    '../_base_/datasets/uda_potsdam_irrg_to_vaihingen_512x512.py',
    '../_base_/uda/mic_target.py',
    '../_base_/schedules/uda_40k_mit.py',
]
model = dict(decode_head=dict(num_classes=6))
uda = dict(alpha=0.999)
data = dict(train=dict(rare_class_sampling=dict(min_pixels=1000, class_temp=0.1, min_crop_ratio=0.5)))

# MIC frame by frame: SYNTHIA-Seq to Cityscapes-Seq, the image baseline of the video methods.
_base_ = [
    '../_base_/default_runtime.py',
    '../_base_/models/hrda_daformer_mitb5.py',
    '../_base_/datasets/uda_synthia_seqHR_to_cityscapes_seqHR_1024x1024.py',
    '../_base_/uda/daformer.py',
    '../_base_/schedules/uda_40k_mit.py',
]
model = dict(decode_head=dict(num_classes=12))
uda = dict(
    imnet_feature_dist_classes=[5, 6, 9, 10, 11],
    mask_mode='separatetrgaug',
    mask_lambda=1,
    mask_generator=dict(_delete_=True, type='block', mask_ratio=0.7, mask_block_size=64),
)
data = dict(train=dict(rare_class_sampling=dict(min_pixels=3000, class_temp=0.01, min_crop_ratio=2.0)))

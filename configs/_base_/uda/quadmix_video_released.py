# Video QuadMix as released (CNN on SYNTHIA-Seq): every switch that the class puts right is put back. The frozen network is a
# trained TPS: run configs/tps first.
_base_ = ['quadmix_video.py']
uda = dict(
    labeler=dict(
        _delete_=True,
        network='frozen',
        checkpoint='work_dirs/synthia_seq_to_cityscapes_seq_accel_deeplabv2_r101/latest.pth',
        until=8000,
        then='student',
    ),
    flip_flow='legacy',
    augmentation=dict(type='ClipAugmentation', range_of_values='legacy_u8'),
    quad=dict(always_paste=(3, 4, 5, 6, 10), template_ignore=True, patch_weight='keep'),
    key_confidence='raw',
    flow_mask='key',
    overlay='sum',
    target_draw='at_store',
    absent='zeros',
)

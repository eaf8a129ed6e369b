# The densely labelled part of CamVid (0016E5, 15 frames a second): supervised training on its first 70 frames, tested on the other 31. Here the
# flow is right and the frame before helps.
_base_ = ['video_camvid_day_to_dusk_256x256.py']
_splits = '{{ fileDirname }}/splits/camvid_dense'
data = dict(
    train=dict(source=dict(split=f'{_splits}_train.txt'), target=None),
    val=dict(split=f'{_splits}_val.txt'),
    test=dict(split=f'{_splits}_val.txt'),
)

# STAL for CamVid: as in the toy world; sky, building, road, sidewalk and tree are never pasted.
_base_ = ['stal_toy.py']
uda = dict(ohem=dict(min_kept_per_image=2800), copy_paste=dict(never=(0, 1, 3, 4, 5)))

# MinEnt with entropy range: only the 30 % of each target image's pixels with the highest entropy count.
_base_ = ['gta_to_cityscapes_deeplabv2_r101.py']
uda = dict(hardest=0.3)

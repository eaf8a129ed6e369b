# Oracle: CamVid at dusk, trained on labels that adaptation does not see.
_base_ = ['../_base_/recipes/source_only_camvid.py', '../_base_/datasets/camvid_dusk_256x256.py']

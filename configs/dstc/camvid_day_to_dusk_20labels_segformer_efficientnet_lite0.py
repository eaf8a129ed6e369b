# DSTC, co-training: CamVid by day and 20 labelled dusk frames. The recipe
# camvid_day_to_dusk_20labels_segformer_efficientnet_lite0_stages.py makes the warm-ups and runs this config.
_base_ = ['../_base_/recipes/dstc_camvid.py', '../_base_/datasets/ssda_camvid_day_to_dusk_20labels_256x256.py']

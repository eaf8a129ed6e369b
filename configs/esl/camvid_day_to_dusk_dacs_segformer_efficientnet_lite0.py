# DACS with ESL's entropy criterion in place of the probability threshold: CamVid by day to CamVid at dusk. Small network for a CPU.
_base_ = ['../dacs/camvid_day_to_dusk_segformer_efficientnet_lite0.py']
uda = dict(pseudo_labeler=dict(type='EntropyPseudoLabel', mode='image_ratio'))

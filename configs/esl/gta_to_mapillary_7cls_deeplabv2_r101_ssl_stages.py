# SSL with softmax thresholds (BDL): GTA5 to Mapillary Vistas (7 super classes). A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/esl.py']
setting = 'gta_to_mapillary_7cls'
stages = {{_base_.ssl.deeplabv2_r101}}

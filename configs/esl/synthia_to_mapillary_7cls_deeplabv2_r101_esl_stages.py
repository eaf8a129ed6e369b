# ESL: SYNTHIA to Mapillary Vistas (7 super classes). A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/esl.py']
setting = 'synthia_to_mapillary_7cls'
stages = {{_base_.esl.deeplabv2_r101}}

# SSL with softmax thresholds (BDL): SYNTHIA to Cityscapes (7 super classes). A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/esl.py']
setting = 'synthia_to_cityscapes_7cls'
stages = {{_base_.ssl.deeplabv2_r101}}

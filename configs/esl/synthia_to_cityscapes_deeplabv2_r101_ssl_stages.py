# SSL with softmax thresholds (BDL): SYNTHIA to Cityscapes (16 classes). A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/esl.py']
setting = 'synthia_to_cityscapes'
stages = {{_base_.ssl.deeplabv2_r101}}

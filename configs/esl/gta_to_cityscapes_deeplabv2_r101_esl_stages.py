# ESL: GTA5 to Cityscapes. A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/esl.py']
setting = 'gta_to_cityscapes'
stages = {{_base_.esl.deeplabv2_r101}}

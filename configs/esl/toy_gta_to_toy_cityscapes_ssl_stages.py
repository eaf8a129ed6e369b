# SSL with softmax thresholds (BDL): The toy world's rendered game to its European city. A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/esl.py']
setting = 'toy_gta_to_toy_cityscapes'
stages = {{_base_.ssl.toy}}

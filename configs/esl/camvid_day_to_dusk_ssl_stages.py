# SSL with softmax thresholds (BDL): CamVid by day to CamVid at dusk. A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/esl.py']
setting = 'camvid_day_to_dusk'
stages = {{_base_.ssl.camvid}}

# Video QuadMix as released (transformer) after its TPS (CNN): VIPER to Cityscapes-Seq. A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/quadmix_video.py']
setting = 'viper_to_cityscapes_seq'
stages = {{_base_.released_mit}}

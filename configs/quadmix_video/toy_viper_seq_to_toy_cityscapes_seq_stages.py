# Video QuadMix on the toy videos from a TPS: half of the iterations each. A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/quadmix_video.py']
setting = 'toy_viper_seq_to_toy_cityscapes_seq'
stages = {{_base_.toy}}

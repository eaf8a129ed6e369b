# CoaST, G2CI: GTA5 to Cityscapes and IDD, 19 classes, with DAFormer's network. A recipe for tools/run_stages.py.
_base_ = ['../_base_/stages/coast.py']
setting = 'gta_to_cityscapes_idd_19cls_daformer_mitb5'
stages = {{_base_.recipes.two_targets}}

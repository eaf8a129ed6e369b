# G2CI: GTA5 (labelled) to Cityscapes and IDD, 19 classes, images normalised as for ImageNet.
_base_ = ['mtda_streams.py']
_targets = [{{_base_.targets.classes19_imagenet.cityscapes}}, {{_base_.targets.classes19_imagenet.idd}}]
_tests = [{{_base_.tests.classes19_imagenet.cityscapes}}, {{_base_.tests.classes19_imagenet.idd}}]
data = dict(train=dict(source={{_base_.sources.classes19_imagenet.gta}}, target=_targets), val=_tests, test=_tests)

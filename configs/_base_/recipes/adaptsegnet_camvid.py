# AdaptSegNet: the small CPU network, which has one classifier, on CamVid. The discriminator is as narrow as the network.
_base_ = [
    '../default_runtime.py',
    '../models/segformer_efficientnet_lite0.py',
    '../uda/adaptsegnet.py',
    '../schedules/adversarial_camvid_2500.py',
]
uda = dict(lambda_adv=dict(_delete_=True, decode=0.001), discriminator=dict(ndf=16))

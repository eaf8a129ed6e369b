# MIC beside a method without a teacher: masked, augmented target images with the labels of a teacher of its own.
uda = dict(masking=dict(mode='separatetrgaug', alpha=0.999, masker=dict(type='BlockMasker', ratio=0.7, block_size=32)))

"""Every family of methods trains a vision transformer: sizes that are no multiple of the patch, ranks, exact resume."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch
from mmcv import ConfigDict
from mmseg.models import build_segmentor

from mmseg_uda.models.backbones import TimmEncoder
from mmseg_uda.models.training_interface import head_outputs, logits, training_features
from mmseg_uda.utils.checkpoint_io import CheckpointError
from tests.harness.methods import Setup, check_exact_resume, check_two_ranks
from tests.methods.test_quadmix import patches
from tests.models.encoders import DINOV2, DINOV3, HEAD, SWIN, vit_model

#: 32 x 72 pixels hold 2.3 x 5.1 patches of 14, and 2 x 4.5 of 16
SIZE = (32, 72)
DECAY = dict(type='AdamW', lr=1e-3, weight_decay=0.01, paramwise_cfg=dict(layer_decay=0.8, backbone_mult=0.5))
SMALL = dict(type='FCDiscriminator', ndf=2)
MASKING = dict(
    mask_mode='separatetrgaug', mask_lambda=1, mask_generator=dict(type='block', mask_ratio=0.7, mask_block_size=8)
)
DACS = dict(type='DACS', pseudo_threshold=0.22)
DISTANCE = dict(
    imnet_feature_dist_lambda=0.5, imnet_feature_dist_classes=[0, 1, 2, 3], imnet_feature_dist_scale_min_ratio=0.3
)
LABELED = ('source', 'labeled_target', 'target')
#: name -> uda config, streams
METHODS: dict[str, tuple[Any, tuple[str, ...]]] = {
    'source_only': (None, ('source',)),
    'dacs': (dict(DACS, pseudo_labeler=dict(type='ConfidenceShare', threshold=0.22, flip_average=True)), LABELED[::2]),
    'mic': (dict(DACS, **MASKING, **DISTANCE), LABELED[::2]),
    'hrda': (dict(DACS, **MASKING, **DISTANCE), LABELED[::2]),
    'vfm_uda': (
        dict(
            type='SelfTraining',
            pseudo_labeler=dict(type='ConfidenceShare', threshold=0.22, flip_average=True),
            source_augmentation=dict(type='TorchvisionJitter', brightness=0.1, hue=0.05, probability=0.9),
            target_augmentation=dict(type='TorchvisionJitter', brightness=0.1, hue=0.05, probability=0.9),
            mixer=dict(type='ClassMixer'),
            augmentation=dict(type='TorchvisionJitter', blur_probability=0.5),
            masking=dict(
                mode='separatetrgaug',
                masker=dict(type='BlockMasker', block_size=8),
                augmentation=dict(type='TorchvisionJitter', blur_probability=0.5),
            ),
            distillation=dict(reference=dict(type='TimmEncoder', **DINOV2, final_norm=True), size=(42, 42)),
        ),
        LABELED[::2],
    ),
    'advent': (dict(type='AdvEnt', discriminator=SMALL), LABELED[::2]),
    'quadmix': (dict(DACS, type='QuadMix', start_iter=0, confidence=0.202), LABELED[::2]),
    'coast': (
        dict(
            type='CoaST',
            num_targets=2,
            styliser=dict(type='ChannelStatistics', layers=['model.patch_embed.proj', 'model.blocks.0']),
        ),
        ('source', 'target', 'target2'),
    ),
    'dstc': (dict(type='DSTC', init=None), LABELED),
    'stal': (
        dict(
            type='STAL',
            representation=dict(channels=4, dropout=0.0),
            ohem=dict(min_kept_per_image=500),
            copy_paste=dict(never=(0,)),
            cutmix=dict(size=8),
            contrast=dict(start=0.0, low_rank=1, anchor_threshold=0.0, num_queries=8, num_negatives=4, bank_size=40),
        ),
        LABELED,
    ),
}


@pytest.fixture(scope='module')
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    torch.manual_seed(0)
    path = tmp_path_factory.mktemp('weights') / 'dinov2.pth'
    torch.save(TimmEncoder(**DINOV2, final_norm=True).model.state_dict(), path)
    return str(path)


def hrda(backbone: dict[str, Any]) -> dict[str, Any]:
    head = {key: value for key, value in HEAD.items() if key != 'type'}
    return vit_model(
        backbone,
        type='HRDAEncoderDecoder',
        decode_head=dict(head, type='HRDAHead', single_scale_head='SegFormerHead', hr_loss_weight=0.1),
        hr_crop_size=(32, 32),
        feature_scale='all',
    )


def setup(name: str, weights: str) -> Setup:
    uda, streams = copy.deepcopy(METHODS[name])
    backbone = dict(DINOV2, pretrained=weights)
    if name == 'vfm_uda':
        uda['distillation']['reference']['pretrained'] = weights
    model = hrda(backbone) if name == 'hrda' else vit_model(backbone)
    if name == 'advent':
        model['auxiliary_head'] = dict(HEAD, in_index=[2, 3], in_channels=[32, 32])
    extras = patches if name == 'quadmix' else None
    size = (56, 80) if name == 'hrda' else SIZE
    if name == 'vfm_uda':
        head = dict(type='VFMHead', in_channels=32, in_index=3, num_classes=5)
        model = vit_model(dict(backbone, final_norm='last'), decode_head=head)
        del model['neck']
    return Setup(uda, streams, model=model, size=size, optimizer=DECAY, add_extras=extras)


@pytest.mark.parametrize('name', METHODS)
@pytest.mark.filterwarnings('ignore:one unlabelled image')
def test_every_method_trains_a_transformer_without_an_idle_parameter(name: str, weights: str) -> None:
    made = setup(name, weights)
    method, step = made.build()
    for iteration in range(2):
        step([made.data.batch([2 * iteration, 2 * iteration + 1])], iteration)
    assert all(torch.isfinite(torch.tensor(list(entry.values()))).all() for entry in step.flush())
    assert step.records.skipped == 0
    stepped = {id(p) for o in step.optimizers.values() for p in o.state}
    idle = [key for key, p in method.student.named_parameters() if p.requires_grad and id(p) not in stepped]
    assert not idle
    method.eval()
    batch = made.data.batch([0])
    with torch.no_grad():
        result = method(img=[batch['img']], img_metas=[batch['img_metas']], return_loss=False)
    assert result[0].shape == made.data.size


@pytest.mark.parametrize('name', ['hrda', 'vfm_uda'])
def test_exact_resume(name: str, weights: str, tmp_path: Path) -> None:
    made = setup(name, weights)
    options = dict(model=made.config.model, optimizer=DECAY, size=made.data.size)
    check_exact_resume(made.config.uda, METHODS[name][1], tmp_path=tmp_path, **options)


def test_distillation_on_two_ranks_and_its_refusals(weights: str, tmp_path: Path) -> None:
    made = setup('vfm_uda', weights)
    check_two_ranks(
        made.config.uda, METHODS['vfm_uda'][1], tmp_path=tmp_path, iterations=2, model=made.config.model, size=SIZE
    )
    with pytest.raises(CheckpointError, match='reference has no pretrained weights'):
        Setup(METHODS['vfm_uda'][0], model=made.config.model, size=SIZE).build()
    with pytest.raises(ValueError, match='needs reference'):
        Setup(dict(DACS, distillation=dict(weight=1.0)), model=made.config.model, size=SIZE).build()
    with pytest.raises(ValueError, match='weight > 0'):
        wrong = dict(made.config.uda.distillation, weight=0)
        Setup(dict(DACS, distillation=wrong), model=made.config.model, size=SIZE).build()


VARIANTS = {
    'patch14': vit_model(),
    'checkpointed': vit_model(dict(DINOV3, with_cp=True, drop_path_rate=0.0)),
    'lora': vit_model(dict(DINOV2, lora=dict(rank=2, alpha=4))),
    'frozen': vit_model(dict(DINOV2, frozen=2)),
    'swin': vit_model(
        dict(SWIN, drop_path_rate=0.0),
        neck=None,
        decode_head=dict(HEAD, in_channels=[16, 32, 64, 128]),
        test_cfg=dict(mode='whole'),
    ),
}


@pytest.mark.parametrize('name', VARIANTS)
def test_two_ranks(name: str, tmp_path: Path) -> None:
    model = {key: value for key, value in VARIANTS[name].items() if value is not None}
    check_two_ranks(dict(DACS, **MASKING), tmp_path=tmp_path, iterations=2, model=model, size=SIZE)


def test_channels_that_come_last_are_not_restyled() -> None:
    uda, streams = METHODS['coast']
    styliser = dict(type='ChannelStatistics', layers=['model.patch_embed'])
    with pytest.raises(ValueError, match=r"channels last.*'model\.patch_embed\.proj'"):
        Setup(dict(uda, styliser=styliser), streams, model=vit_model(), size=SIZE).build()


def test_hrda_lays_both_predictions_on_its_grid() -> None:
    for backbone in (DINOV2, DINOV3):
        segmentor = build_segmentor(ConfigDict(hrda(backbone))).eval()
        img = torch.randn(2, 3, 72, 120, generator=torch.Generator().manual_seed(0))
        outputs = head_outputs(segmentor, training_features(segmentor, img, box=(16, 48, 64, 96)))['decode'][1]
        assert outputs.fused.shape[2:] == (18, 30) and outputs.low.shape[2:] == (9, 15)
        assert outputs.high.shape[2:] == (8, 8)
        with torch.no_grad():
            assert logits(segmentor, img).shape == (2, 5, 72, 120)

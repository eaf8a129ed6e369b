"""Configs in the published layout of the DAFormer family train and test with our tools, without edits."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from mmseg.models import build_backbone

from mmseg_uda.compat.keys_mit import mit_from_mmseg
from mmseg_uda.engine import test, train
from mmseg_uda.utils.checkpoint_io import load_checkpoint_file
from tests.datasets.worlds import make_cityscapes, make_gta

#: ``_base_`` files and leaf configs as such a repository has them, with the smallest backbone and tiny crops
FILES = {
    '_base_/default_runtime.py': """
    log_config = dict(interval=1, hooks=[dict(type='TextLoggerHook', by_epoch=False)])
    dist_params = dict(backend='nccl')
    log_level = 'INFO'
    load_from = None
    resume_from = None
    workflow = [('train', 1)]
    cudnn_benchmark = True
    """,
    '_base_/models/daformer_mitb0.py': """
    norm_cfg = dict(type='BN', requires_grad=True)
    find_unused_parameters = True
    model = dict(
        type='EncoderDecoder',
        pretrained='pretrained/mit_b0.pth',
        backbone=dict(type='mit_b0', style='pytorch'),
        decode_head=dict(
            type='DAFormerHead', in_channels=[32, 64, 160, 256], in_index=[0, 1, 2, 3], channels=16, dropout_ratio=0.1,
            num_classes=19, norm_cfg=norm_cfg, align_corners=False,
            decoder_params=dict(
                embed_dims=16, embed_cfg=dict(type='mlp', act_cfg=None, norm_cfg=None),
                embed_neck_cfg=dict(type='mlp', act_cfg=None, norm_cfg=None),
                fusion_cfg=dict(type='aspp', sep=True, dilations=(1, 6, 12, 18), pool=False, act_cfg=dict(type='ReLU'),
                                norm_cfg=norm_cfg)),
            loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
        train_cfg=dict(work_dir='unused', log_config=dict()),
        test_cfg=dict(mode='whole'))
    """,
    '_base_/models/hrda_mitb0.py': """
    _base_ = ['./daformer_mitb0.py']
    model = dict(
        type='HRDAEncoderDecoder',
        decode_head=dict(
            type='HRDAHead', single_scale_head='DAFormerHead', attention_classwise=True, hr_loss_weight=0.1),
        scales=[1, 0.5], hr_crop_size=(32, 32), feature_scale=0.5, crop_coord_divisible=8, hr_slide_inference=True,
        test_cfg=dict(mode='slide', batched_slide=True, stride=[32, 32], crop_size=[64, 64]))
    """,
    '_base_/datasets/uda_gta_to_cityscapes.py': """
    dataset_type = 'CityscapesDataset'
    data_root = 'data/cityscapes/'
    img_norm_cfg = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
    crop_size = (64, 64)
    train_pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='Resize', img_scale=(128, 72)),
        dict(type='RandomCrop', crop_size=crop_size, cat_max_ratio=0.75),
        dict(type='RandomFlip', prob=0.5),
        dict(type='Normalize', **img_norm_cfg),
        dict(type='Pad', size=crop_size, pad_val=0, seg_pad_val=255),
        dict(type='DefaultFormatBundle'),
        dict(type='Collect', keys=['img', 'gt_semantic_seg']),
    ]
    test_pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='MultiScaleFlipAug', img_scale=(128, 72), flip=False, transforms=[
            dict(type='Resize', keep_ratio=True), dict(type='RandomFlip'), dict(type='Normalize', **img_norm_cfg),
            dict(type='ImageToTensor', keys=['img']), dict(type='Collect', keys=['img'])])]
    data = dict(
        samples_per_gpu=2,
        workers_per_gpu=0,
        train=dict(
            type='UDADataset',
            source=dict(type='GTADataset', data_root='data/gta/', img_dir='images', ann_dir='labels',
                        pipeline=train_pipeline),
            target=dict(type='CityscapesDataset', data_root='data/cityscapes/', img_dir='leftImg8bit/train',
                        ann_dir='gtFine/train', pipeline=train_pipeline)),
        val=dict(type='CityscapesDataset', data_root='data/cityscapes/', img_dir='leftImg8bit/val',
                     ann_dir='gtFine/val',
                 pipeline=test_pipeline),
        test=dict(type='CityscapesDataset', data_root='data/cityscapes/', img_dir='leftImg8bit/val',
                     ann_dir='gtFine/val',
                  pipeline=test_pipeline))
    """,
    '_base_/uda/dacs.py': """
    uda = dict(
        type='DACS', alpha=0.99, pseudo_threshold=0.968, pseudo_weight_ignore_top=0, pseudo_weight_ignore_bottom=0,
        imnet_feature_dist_lambda=0, imnet_feature_dist_classes=None, imnet_feature_dist_scale_min_ratio=None,
        mix='class',
        blur=True, color_jitter_strength=0.2, color_jitter_probability=0.2, mask_mode=None, mask_alpha='same',
        mask_pseudo_threshold='same', mask_lambda=0, mask_generator=None, debug_img_interval=1000,
        print_grad_magnitude=False)
    use_ddp_wrapper = True
    """,
    '_base_/schedules/adamw.py': """
    optimizer = dict(type='AdamW', lr=0.0001, betas=(0.9, 0.999), weight_decay=0.01)
    optimizer_config = dict()
    """,
    '_base_/schedules/poly10warm.py': """
    lr_config = dict(policy='poly', warmup='linear', warmup_iters=1500, warmup_ratio=1e-6, power=1.0, min_lr=0.0,
                     by_epoch=False)
    """,
    'daformer/gta2cs.py': """
    _base_ = ['../_base_/default_runtime.py', '../_base_/models/daformer_mitb0.py',
              '../_base_/datasets/uda_gta_to_cityscapes.py', '../_base_/uda/dacs.py', '../_base_/schedules/adamw.py',
              '../_base_/schedules/poly10warm.py']
    seed = 0
    uda = dict(
        alpha=0.999, imnet_feature_dist_lambda=0.005, imnet_feature_dist_classes=[6, 7, 11, 12, 13, 14, 15, 16, 17, 18],
        imnet_feature_dist_scale_min_ratio=0.75, pseudo_weight_ignore_top=15, pseudo_weight_ignore_bottom=12)
    data = dict(train=dict(rare_class_sampling=dict(min_pixels=100, class_temp=0.01, min_crop_ratio=0.5)))
    optimizer_config = None
    optimizer = dict(lr=6e-05, paramwise_cfg=dict(custom_keys=dict(
        head=dict(lr_mult=10.0), pos_block=dict(decay_mult=0.0), norm=dict(decay_mult=0.0))))
    n_gpus = 1
    runner = dict(type='IterBasedRunner', max_iters=2)
    checkpoint_config = dict(by_epoch=False, interval=2, max_keep_ckpts=1)
    evaluation = dict(interval=2, metric='mIoU')
    name = 'gta2cs_uda_warm_fdthings_rcs_croppl_a999_daformer_mitb0_s0'
    exp = 'basic'
    name_dataset = 'gta2cityscapes'
    name_architecture = 'daformer_sepaspp_mitb0'
    name_encoder = 'mitb0'
    name_decoder = 'daformer_sepaspp'
    name_uda = 'dacs_a999_fdthings_rcs0.01_cpl'
    name_opt = 'adamw_6e-05_pmTrue_poly10warm_1x2_40k'
    """,
}
#: what the leaf of MIC(HRDA) has instead
MIC_CHANGES = {
    'models/daformer_mitb0': 'models/hrda_mitb0',
    'pseudo_weight_ignore_top=15, pseudo_weight_ignore_bottom=12': "mask_mode='separatetrgaug', mask_alpha='same', "
    "mask_pseudo_threshold='same', mask_lambda=1, "
    "mask_generator=dict(type='block', mask_ratio=0.7, mask_block_size=16, _delete_=True)",
    'data = dict(train=dict(': 'data = dict(train=dict(target=dict(crop_pseudo_margins=[3, 4, 3, 3]), ',
}


def write_repository(root: Path) -> Path:
    """The published layout under ``configs``, with data and ImageNet weights in their own naming."""
    for name, text in FILES.items():
        path = root / 'configs' / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('\n'.join(line[4:] for line in text.splitlines()))
    leaf = (root / 'configs/daformer/gta2cs.py').read_text()
    for daformer, mic in MIC_CHANGES.items():
        assert daformer in leaf
        leaf = leaf.replace(daformer, mic)
    (root / 'configs/mic').mkdir()
    (root / 'configs/mic/gtaHR2csHR.py').write_text(leaf)
    make_gta(root / 'data/gta', 4)
    for split in ('train', 'val'):
        make_cityscapes(root / 'data/cityscapes', 3, split)
    torch.manual_seed(0)
    (root / 'pretrained').mkdir()
    torch.save(mit_from_mmseg(build_backbone(dict(type='mit_b0')).state_dict()), root / 'pretrained/mit_b0.pth')
    return root


@pytest.fixture(scope='module')
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_repository(tmp_path_factory.mktemp('published'))


@pytest.mark.parametrize('name', ['daformer/gta2cs.py', 'mic/gtaHR2csHR.py'])
def test_trains_and_tests_unchanged(name: str, repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(repository)
    config, work_dir = f'configs/{name}', repository / 'work_dirs' / Path(name).stem
    train.main([config, '--work-dir', str(work_dir), '--device', 'cpu'])
    checkpoint = work_dir / 'latest.pth'
    saved = load_checkpoint_file(str(checkpoint))
    assert saved['meta']['iter'] == 2
    keys = set(saved['state_dict'])
    assert 'uda.teacher.initialized' in keys and not any('imnet' in key for key in keys)
    metrics = test.main([config, str(checkpoint), '--eval', 'mIoU', '--device', 'cpu'])
    assert 0 <= metrics['mIoU'] <= 1

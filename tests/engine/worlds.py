"""A tiny world on disk and the text of a config for it."""

from __future__ import annotations

import textwrap
from pathlib import Path
from typing import Any

from tests.datasets.worlds import make_folder


def write_config(folder: Path, name: str = 'tiny.py', extra: str = '', uda: str = '') -> Path:
    """Write a training config with two folder data sets (source with labels, target with labels for the test only).

    Args:
        extra: Python text at the end of the file.
        uda: text of the ``uda`` entry; empty = source-only.
    """
    for domain in ('source', 'target'):
        if not (folder / domain).exists():
            make_folder(folder / domain)
    text = f"""
        custom_imports = dict(imports=['mmseg_uda', 'tests.harness.synthetic', 'tests.engine.toy_methods'], allow_failed_imports=False)
        log_config = dict(interval=2, hooks=[dict(type='TextLoggerHook', by_epoch=False)])
        log_level = 'INFO'
        norm = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)
        classes = ['a', 'b', 'c', 'd', 'e']
        train_pipeline = [
            dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='Resize', img_scale=(40, 24)),
            dict(type='RandomCrop', crop_size=(16, 32)), dict(type='RandomFlip', prob=0.5), dict(type='Normalize', **norm),
            dict(type='DefaultFormatBundle'), dict(type='Collect', keys=['img', 'gt_semantic_seg'])]
        target_pipeline = [step for step in train_pipeline if step['type'] != 'LoadAnnotations'][:-1] + [dict(type='Collect', keys=['img'])]
        test_pipeline = [dict(type='LoadImageFromFile'), dict(type='MultiScaleFlipAug', img_scale=(40, 24), flip=False, transforms=[
            dict(type='Resize', keep_ratio=True), dict(type='Normalize', **norm), dict(type='ImageToTensor', keys=['img']),
            dict(type='Collect', keys=['img'])])]
        common = dict(type='FolderDataset', classes=classes, img_dir='images', ann_dir='labels')
        data = dict(
            samples_per_gpu=2, workers_per_gpu=0,
            train=dict(type='UDADataset', source=dict(common, data_root={str(folder / 'source')!r}, pipeline=train_pipeline),
                       target=dict(common, data_root={str(folder / 'target')!r}, pipeline=target_pipeline)),
            val=dict(common, data_root={str(folder / 'target')!r}, pipeline=test_pipeline),
            test=dict(common, data_root={str(folder / 'target')!r}, pipeline=test_pipeline))
        model = dict(
            type='EncoderDecoder', pretrained=None, backbone=dict(type='TinyBackbone'),
            decode_head=dict(type='FCNHead', in_channels=16, in_index=3, channels=8, num_convs=1, concat_input=False, dropout_ratio=0.0,
                             num_classes=5, norm_cfg=dict(type='GN', num_groups=2), align_corners=False,
                             loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0)),
            train_cfg=dict(), test_cfg=dict(mode='whole'))
        optimizer = dict(type='AdamW', lr=1e-3)
        optimizer_config = dict()
        lr_config = dict(policy='poly', power=1.0, min_lr=0.0, by_epoch=False)
        runner = dict(type='IterBasedRunner', max_iters=4)
        checkpoint_config = dict(by_epoch=False, interval=2, max_keep_ckpts=2)
        evaluation = dict(interval=2, metric='mIoU', save_best='mIoU')
    """
    path = folder / name
    path.write_text(textwrap.dedent(text) + (f'\nuda = {uda}\n' if uda else '') + textwrap.dedent(extra))
    return path


def edit(path: Path, old: str, new: str) -> Path:
    """Replace ``old`` in a config file; fails when it is not there."""
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    return path


def read_metrics(folder: Path) -> dict[str, Any]:
    """The metrics file of the last test in ``folder``."""
    import json

    return json.loads((folder / 'test_latest.json').read_text())['metric']

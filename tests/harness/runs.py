"""Every method of the package as a run of ``tools/train.py``: config, data on disk, the hooks of a real run.

The networks hold everything whose mode matters: drop-out, stochastic depth, batch norm, and batch norm that a backbone
keeps in eval mode (``norm_eval``).
"""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any, Optional

import torch
from mmcv import Config
from mmcv.cnn.bricks import DropPath
from mmcv.runner import HOOKS, Hook
from mmseg.models import BACKBONES
from torch import Tensor, nn

from mmseg_uda.engine.runner import UDARunner
from mmseg_uda.engine.train import train
from tests.datasets.worlds import NORM, blocks, make_folder
from tests.models.networks import hrda_config

from .synthetic import TinyBackbone

CLASSES = ['a', 'b', 'c', 'd', 'e']
STREAMS = ('source', 'target', 'target2', 'labeled_target')
MASKING = dict(
    mask_mode='separatetrgaug', mask_lambda=1, mask_generator=dict(type='block', mask_ratio=0.7, mask_block_size=8)
)
DACS: dict[str, Any] = dict(type='DACS', pseudo_threshold=0.22)
FEATURE_DISTANCE = dict(
    imnet_feature_dist_lambda=0.5, imnet_feature_dist_classes=[0, 1, 2, 3], imnet_feature_dist_scale_min_ratio=0.3
)
SMALL = dict(type='FCDiscriminator', ndf=2)
STAL: dict[str, Any] = dict(
    type='STAL',
    representation=dict(channels=4, dropout=0.2),
    ohem=dict(min_kept_per_image=500),
    cutmix=dict(size=8),
    contrast=dict(start=0.0, low_rank=1, anchor_threshold=0.0, num_queries=8, num_negatives=4, bank_size=40),
)
UNSUPERVISED = ('source', 'target')
SEVERAL = ('source', 'target', 'target2')
FEW_LABELS = ('source', 'target', 'labeled_target')
#: name -> (streams, ``uda`` block, name of the network)
METHODS: dict[str, tuple[tuple[str, ...], Optional[dict[str, Any]], str]] = {
    'source_only': (('source',), None, 'plain'),
    'adaptsegnet': (UNSUPERVISED, dict(type='AdaptSegNet', discriminator=SMALL), 'two_level'),
    'minent': (UNSUPERVISED, dict(type='MinEnt', lambda_prior=dict(main=0.01)), 'two_level'),
    'advent': (UNSUPERVISED, dict(type='AdvEnt', discriminator=SMALL), 'two_level'),
    'fda': (UNSUPERVISED, dict(type='FDA', beta=0.1), 'two_level'),
    'esl_online': (
        UNSUPERVISED,
        dict(DACS, pseudo_labeler=dict(type='EntropyPseudoLabel', mode='image_ratio', warmup=1)),
        'plain',
    ),
    'dacs': (UNSUPERVISED, DACS, 'plain'),
    'dacs_running': (UNSUPERVISED, dict(DACS, teacher=dict(alpha=0.9, buffers='ema'), teacher_bn='running'), 'plain'),
    'daformer': (UNSUPERVISED, dict(DACS, **FEATURE_DISTANCE), 'plain'),
    'hrda': (UNSUPERVISED, dict(DACS, **FEATURE_DISTANCE), 'hrda'),
    'mic': (UNSUPERVISED, dict(DACS, **FEATURE_DISTANCE, **MASKING, mask_alpha=0.9), 'plain'),
    'mic_adaptsegnet': (
        UNSUPERVISED,
        dict(
            type='AdaptSegNet',
            discriminator=SMALL,
            masking=dict(mode='separatetrgaug', masker=dict(type='BlockMasker', block_size=8)),
        ),
        'two_level',
    ),
    'quadmix': (UNSUPERVISED, dict(DACS, type='QuadMix', start_iter=2, confidence=0.202, **MASKING), 'plain'),
    'mdis': (SEVERAL, dict(type='MDis', discriminator=SMALL, num_targets=2), 'two_level'),
    'mtkt': (SEVERAL, dict(type='MTKT', discriminator=SMALL, num_targets=2), 'two_level'),
    'coast_warm_up': (
        SEVERAL,
        dict(type='CoaSTWarmUp', num_targets=2, discriminator=dict(type='StridedDiscriminator', ndf=2)),
        'plain',
    ),
    'coast': (
        SEVERAL,
        dict(type='CoaST', num_targets=2, styliser=dict(type='ChannelStatistics', layers=['stages.0'])),
        'plain',
    ),
    'dstc': (FEW_LABELS, dict(type='DSTC', init=None), 'plain'),
    'dstc_augmented': (
        FEW_LABELS,
        dict(type='DSTC', init=None, update='simultaneous', augmentation=dict(type='PhotometricDistortion8Bit')),
        'plain',
    ),
    'stal': (FEW_LABELS, STAL, 'plain'),
    'stal_eval': (FEW_LABELS, dict(STAL, teacher_eval=True, contrast=None), 'plain'),
    'ripu': (('source', 'labeled_target'), dict(type='RIPU'), 'plain'),
}


@BACKBONES.register_module()
class ModalBackbone(TinyBackbone):
    """A tiny backbone with batch norm, stochastic depth on its stages, and MMSeg's ``norm_eval``.

    Args:
        norm_eval: the first stage's batch norm stays in eval mode, as MMSeg's ResNet keeps all of its own.
        drop_path: probability at which a stage's output loses what the stage adds to a constant.
        checkpoint: file of "ImageNet" weights.
    """

    def __init__(self, norm_eval: bool = True, drop_path: float = 0.3, checkpoint: Optional[str] = None) -> None:
        super().__init__(norm='BN')
        self.norm_eval = norm_eval
        self.drop_path = DropPath(drop_path)
        if checkpoint is not None:
            self.init_cfg = dict(type='Pretrained', checkpoint=checkpoint)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        features = []
        for stage in self.stages:
            x = 0.1 + self.drop_path(stage(x))
            features.append(x)
        return tuple(features)

    def train(self, mode: bool = True) -> ModalBackbone:
        super().train(mode)
        if self.norm_eval:
            self.stages[0][1].eval()
        return self


@HOOKS.register_module()
class RecordModes(Hook):
    """Keeps which modules are in training mode when an iteration begins: ``seen[iteration]``."""

    def __init__(self) -> None:
        self.seen: dict[int, dict[str, bool]] = {}

    def before_train_iter(self, runner: Any) -> None:
        self.seen[runner.iter] = {name: module.training for name, module in runner.model.named_modules()}


def make_world(folder: Path) -> Path:
    """Images and labels of every stream, and "ImageNet" weights."""
    for number, stream in enumerate(STREAMS):
        make_folder(folder / stream, label=blocks(((0, 1, 2, 255), (0, 3, 2, 255), (4, 1), (2, 1, 0))[number]))
    torch.manual_seed(0)
    torch.save(ModalBackbone().state_dict(), folder / 'imagenet.pth')
    return folder


def network(kind: str, weights: Path) -> dict[str, Any]:
    """Config of a student: ``plain``, ``two_level`` (with an auxiliary head) or ``hrda``."""
    backbone = dict(type='ModalBackbone', checkpoint=str(weights))
    if kind == 'hrda':
        model = hrda_config(32, num_classes=len(CLASSES), head=dict(dropout_ratio=0.3, norm_cfg=dict(type='BN')))
        model['decode_head'].update(in_channels=8, in_index=1)
        return dict(model, backbone=backbone)
    head = dict(
        type='FCNHead',
        in_channels=16,
        in_index=3,
        channels=8,
        num_convs=1,
        concat_input=False,
        dropout_ratio=0.3,
        num_classes=len(CLASSES),
        norm_cfg=dict(type='BN'),
        align_corners=False,
        loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=False, loss_weight=1.0),
    )
    auxiliary = dict(head, in_index=2, loss_decode=dict(head['loss_decode'], loss_weight=0.1))
    return dict(
        type='EncoderDecoder',
        backbone=backbone,
        decode_head=head,
        auxiliary_head=auxiliary if kind == 'two_level' else None,
        train_cfg=dict(),
        test_cfg=dict(mode='whole'),
    )


def config(name: str, world: Path, work_dir: Path, **changes: Any) -> Config:
    """The config of a run of method ``name``; ``changes`` are dotted keys with ``__`` for the dots."""
    streams, uda, kind = METHODS[name]
    scale, crop = ((72, 72), (64, 64)) if kind == 'hrda' else ((72, 40), (32, 64))
    pipeline = [
        dict(type='LoadImageFromFile'),
        dict(type='LoadAnnotations'),
        dict(type='Resize', img_scale=scale, keep_ratio=False),
        dict(type='RandomCrop', crop_size=crop),
        dict(type='RandomFlip', prob=0.5),
        dict(type='Normalize', **NORM),
        dict(type='DefaultFormatBundle'),
        dict(type='Collect', keys=['img', 'gt_semantic_seg']),
    ]
    tested = [
        dict(type='LoadImageFromFile'),
        dict(
            type='MultiScaleFlipAug',
            img_scale=scale,
            flip=False,
            transforms=[
                dict(type='Resize', keep_ratio=False),
                dict(type='Normalize', **NORM),
                dict(type='ImageToTensor', keys=['img']),
                dict(type='Collect', keys=['img']),
            ],
        ),
    ]
    common = dict(type='FolderDataset', classes=CLASSES, img_dir='images', ann_dir='labels')
    parts = {stream: dict(common, data_root=str(world / stream), pipeline=pipeline) for stream in streams}
    targets = [parts.pop(stream) for stream in streams if stream in ('target', 'target2')]
    cfg = Config(
        dict(
            model=network(kind, world / 'imagenet.pth'),
            **({} if uda is None else dict(uda=uda)),
            data=dict(
                samples_per_gpu=2,
                workers_per_gpu=0,
                train=dict(type='UDADataset', **parts, **(dict(target=targets) if targets else {})),
                val=dict(common, data_root=str(world / 'target'), pipeline=tested),
            ),
            optimizer=dict(type='AdamW', lr=1e-3, weight_decay=0.01),
            optimizer_config=dict(),
            lr_config=dict(policy='poly', power=1.0, min_lr=0.0, by_epoch=False),
            runner=dict(type='IterBasedRunner', max_iters=6),
            checkpoint_config=dict(by_epoch=False, interval=6, max_keep_ckpts=-1),
            evaluation=dict(interval=100, metric='mIoU'),
            log_config=dict(interval=1, hooks=[dict(type='TextLoggerHook', by_epoch=False)]),
            custom_hooks=[dict(type='RecordModes')],
            seed=3,
            work_dir=str(work_dir),
        )
    )
    cfg.merge_from_dict({key.replace('__', '.'): value for key, value in changes.items()})
    return cfg


def run(cfg: Config) -> UDARunner:
    """Train as ``tools/train.py`` does and return the runner after its last iteration."""
    logger = logging.getLogger('runs')
    logger.setLevel(logging.ERROR)
    Path(cfg.work_dir).mkdir(parents=True, exist_ok=True)
    return train(cfg, torch.device('cpu'), 'config', logger=logger)


def modes(runner: UDARunner) -> dict[int, dict[str, bool]]:
    """What :class:`RecordModes` has seen."""
    return next(hook for hook in runner.hooks if isinstance(hook, RecordModes)).seen


def references(method: nn.Module) -> dict[str, Tensor]:
    """Copies of parameters and buffers of the frozen references."""
    return {
        f'{name}.{key}': value.clone()
        for name in method.frozen_references  # type: ignore[attr-defined]
        if getattr(method, name, None) is not None
        for key, value in getattr(method, name).state_dict().items()
    }

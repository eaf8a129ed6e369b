"""An exported network as a config of MMSegmentation 1.x (mmengine), for networks that it has."""

from __future__ import annotations

import copy
from typing import Any, Iterator, Mapping, Sequence

from .export_card import flat_steps, normalisation
from .export_config import OWN, ExportError, unknown_to_stock

#: classes of MMSegmentation 0.30 that 1.2 has with the same options and parameters
PARTS = (
    *('EncoderDecoder', 'CascadeEncoderDecoder'),
    *('BEiT', 'BiSeNetV1', 'BiSeNetV2', 'CGNet', 'ERFNet', 'FastSCNN', 'HRNet', 'ICNet', 'MAE', 'MixVisionTransformer'),
    *('MobileNetV2', 'MobileNetV3', 'PCPVT', 'ResNeSt', 'ResNeXt', 'ResNet', 'ResNetV1c', 'ResNetV1d'),
    *('STDCContextPathNet', 'STDCNet', 'SVT', 'SwinTransformer', 'TIMMBackbone', 'UNet', 'VisionTransformer'),
    *('FPN', 'Feature2Pyramid', 'ICNeck', 'JPU', 'MLANeck', 'MultiLevelNeck'),
    *('ANNHead', 'APCHead', 'ASPPHead', 'CCHead', 'DAHead', 'DepthwiseSeparableASPPHead', 'DepthwiseSeparableFCNHead'),
    *('DMHead', 'DNLHead', 'EMAHead', 'EncHead', 'FCNHead', 'FPNHead', 'GCHead', 'ISAHead', 'LRASPPHead', 'NLHead'),
    *('OCRHead', 'PSAHead', 'PSPHead', 'SegformerHead', 'SETRMLAHead', 'SETRUPHead', 'STDCHead', 'UPerHead'),
)
#: test transforms that have a counterpart, or that 1.x does elsewhere
_DONE_ELSEWHERE = ('RandomFlip', 'Normalize', 'ImageToTensor', 'DefaultFormatBundle', 'Collect')
_HEADS = ('decode_head', 'auxiliary_head')


def mmseg1_config(values: Mapping[str, Any]) -> dict[str, Any]:
    """The config for ``mmseg.apis.init_model`` of MMSegmentation 1.x; the weights keep their names.

    Args:
        values: of :func:`~mmseg_uda.engine.export_config.exported_config`.

    Raises:
        ExportError: names the part of the network, or the transform, that 1.x does not have.
    """
    model = copy.deepcopy(dict(values['model']))
    for where, part in _parts(model):
        if part['type'] not in PARTS:
            raise ExportError(
                f"--for mmseg1: MMSegmentation 1.x has no {where} '{part['type']}' with these parameters: predict with "
                f'{OWN}.load, or export to ONNX'
            )
    if unknown_to_stock(model):
        key = unknown_to_stock(model)[0]
        raise ExportError(f'--for mmseg1: MMSegmentation 1.x knows no test_cfg.{key}: set it to its default')
    for key in _HEADS:
        heads = model.get(key)
        for head in heads if isinstance(heads, (list, tuple)) else [heads]:
            if isinstance(head, dict):  # its losses are for training, and some have other options there
                sigmoid = head.get('out_channels') == 1
                head['loss_decode'] = dict(type='CrossEntropyLoss', use_sigmoid=sigmoid, loss_weight=1.0)
                head.pop('sampler', None)
    steps = values['data']['test']['pipeline']
    model['data_preprocessor'] = _preprocessor(steps)
    return dict(default_scope='mmseg', model=model, test_pipeline=[*_transforms(steps), dict(type='PackSegInputs')])


def _parts(model: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    yield 'segmentor', model
    for key in ('backbone', 'neck', *_HEADS):
        parts = model.get(key)
        for part in parts if isinstance(parts, (list, tuple)) else [parts]:
            if part is not None:
                yield key, part
                if part.get('backbone_cfg') is not None:  # of the networks of two branches
                    yield key, part['backbone_cfg']


def _preprocessor(steps: Sequence[Any]) -> dict[str, Any]:
    norm = normalisation(steps)
    return dict(
        type='SegDataPreProcessor',
        mean=norm.get('mean'),
        std=norm.get('std'),
        bgr_to_rgb=bool(norm.get('to_rgb', False)),
        pad_val=0,
        seg_pad_val=255,
    )


def _transforms(steps: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    for step in steps:
        options = {key: value for key, value in step.items() if key != 'type'}
        kind = step['type']
        if kind == 'MultiScaleFlipAug':
            if options.get('flip') or list(options.get('img_ratios') or [1.0]) != [1.0]:
                raise ExportError('--for mmseg1: the test pipeline shows every image in several views: leave one')
            yield from _transforms(flat_steps([step]))
        elif kind == 'LoadImageFromFile':
            yield dict(step)
        elif kind == 'Resize':
            size = options.pop('img_scale', None)
            if not isinstance(size, (list, tuple)) or not all(isinstance(side, int) for side in size):
                raise ExportError(f'--for mmseg1: the test pipeline resizes to {size!r}: give one (width, height)')
            unknown = sorted(set(options) - {'keep_ratio'})
            if unknown:
                raise ExportError(f"--for mmseg1: Resize of MMSegmentation 1.x is not given '{unknown[0]}' here")
            yield dict(type='Resize', scale=tuple(size), keep_ratio=options.get('keep_ratio', True))
        elif kind not in _DONE_ELSEWHERE:
            raise ExportError(f"--for mmseg1: the test transform '{kind}' has no counterpart in MMSegmentation 1.x")

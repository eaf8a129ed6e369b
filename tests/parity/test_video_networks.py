"""The fused network, the names of published checkpoints and the released learning rates."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config
from mmseg.models import BACKBONES, build_segmentor
from torch import Tensor, nn

from mmseg_uda.compat.keys import published_to_ours
from mmseg_uda.compat.keys_video import ours_to_video
from mmseg_uda.engine.lr_policies import PolyHorizonLrUpdaterHook, warmup_then_linear
from mmseg_uda.engine.optimizers import build_optimizers
from mmseg_uda.engine.repeated_sgd import listed_times
from mmseg_uda.models.backbones.advent_resnet import AdventResNet
from mmseg_uda.ops.clips import Clip
from mmseg_uda.ops.flow import decode_flow

from .golden import golden_files, load

CONFIGS = Path(__file__).resolve().parents[2] / 'configs/_base_/models'


@BACKBONES.register_module()
class FewBlocks(AdventResNet):
    """The lineage's ResNet with the numbers of blocks of a vector."""

    def __init__(self, blocks: Any, **kwargs: Any) -> None:
        kwargs['depth'] = 50
        self.arch_settings = {50: (self.arch_settings[50][0], tuple(int(count) for count in blocks))}
        super().__init__(**kwargs)


def vectors(pattern: str) -> pytest.MarkDecorator:
    return pytest.mark.parametrize('path', golden_files('video', pattern), ids=lambda path: path.stem)


def network(bottleneck: bool, classes: int, **backbone: Any) -> nn.Module:
    name = 'fused_deeplabv2_udass_r101.py' if bottleneck else 'fused_deeplabv2_advent_r101.py'
    model = Config.fromfile(str(CONFIGS / name)).model
    model.pretrained = None
    model.backbone.update(backbone)
    for head in (model.decode_head, model.auxiliary_head):
        head.num_classes = classes
    model.fusion = dict(flow_scale='height')
    return build_segmentor(model)


def fill(module: nn.Module, state: dict[str, Tensor]) -> None:
    """Give a network weights of other widths."""
    assert set(module.state_dict()) == set(state)
    for name, value in state.items():
        owner, _, attribute = name.rpartition('.')
        parent = module.get_submodule(owner)
        if attribute in parent._parameters:
            parent._parameters[attribute].data = value
        else:
            parent._buffers[attribute] = value


@vectors('accel_net_*.npz')
def test_scores_of_the_released_network(path: Path) -> None:
    data = load(path)
    state = {key[6:]: torch.from_numpy(np.array(data[key])) for key in data if key.startswith('state/')}
    model = network('layer7.head.1.weight' in state, int(data['num_classes']), type='FewBlocks', blocks=data['blocks'])
    fill(model, published_to_ours(state))
    trained = {key for key, value in ours_to_video(dict(model.named_parameters())).items() if value.requires_grad}
    assert trained == set(data['trainable'].tolist())
    frames = [torch.from_numpy(data[key])[None] for key in ('img', 'img_key')]
    clip = Clip(*frames, torch.from_numpy(decode_flow(data['int16_x10']))[None])
    for mode in ('eval', 'train'):
        model.train(mode == 'train')
        for module in model.modules():
            if isinstance(module, nn.Dropout2d):
                module.eval()
        with torch.no_grad():
            found = model.clip_scores(clip)
        for name, part in (('pred', found.fused), ('cf', found.current), ('kf', found.key)):
            for head, suffix in (('decode', ''), ('aux', '_aux')):
                expected = torch.from_numpy(data[f'{mode}_{name}{suffix}'])
                torch.testing.assert_close(part[head][0], expected, atol=2e-4, rtol=1e-4)
    for statistic in ('mean', 'var'):
        found_statistic = getattr(model.backbone.bn1, f'running_{statistic}')
        torch.testing.assert_close(
            found_statistic, torch.from_numpy(data[f'train_running_{statistic}_bn1']), atol=1e-3, rtol=1e-4
        )


@vectors('checkpoint_keys_*.npz')
def test_published_names_and_optimiser_groups(path: Path) -> None:
    data = load(path)
    keys, shapes = data['keys'].tolist(), data['shapes'].tolist()
    with torch.device('meta'):
        classes = shapes[keys.index('sf_layer.weight')].split('x')[0]  # C x 2C x 1 x 1
        model = network('layer7.head.1.weight' in keys, int(classes))
    own = ours_to_video(model.state_dict())
    assert set(own) == set(keys)
    for key, shape in zip(keys, shapes):
        assert 'x'.join(str(side) for side in own[key].shape) == shape or own[key].dim() == 0, key
    published = {key: own[key] for key in keys}
    assert {key: value.shape for key, value in published_to_ours(published).items()} == {
        key: value.shape for key, value in model.state_dict().items()
    }
    trained = {key for key, value in ours_to_video(dict(model.named_parameters())).items() if value.requires_grad}
    assert trained == set(data['trainable'].tolist())
    assert trained == {*data['backbone_group'].tolist(), *data['fusion_group'].tolist(), *data['head_group'].tolist()}
    times = [listed_times(name) for name in data['backbone_group'].tolist()]
    assert times == data['backbone_times_listed'].tolist()


class Tiny(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone, self.fusion, self.decode_head = (nn.Conv2d(1, 1, 1) for _ in range(3))


@vectors('lr_cnn_*.npz')
def test_learning_rates_of_the_convolutional_networks(path: Path) -> None:
    data = load(path)
    base = float(data['base_lr'])
    cfg = dict(type='RepeatedSGD', lr=base, momentum=0.9, weight_decay=5e-4, constructor='FusionRates')
    optimizer = build_optimizers(cfg, {'segmentor': Tiny()})['segmentor']
    hook = PolyHorizonLrUpdaterHook(horizon=int(data['max_iters']), power=float(data['power']))
    runner = SimpleNamespace(optimizer=optimizer, max_iters=40000, iter=0)
    hook.before_run(runner)
    for iteration, expected in zip(data['iter'].tolist(), data['backbone_fusion_heads'].tolist()):
        runner.iter = iteration
        found = hook.get_regular_lr(runner)
        order = [group.get('constant_lr') for group in optimizer.param_groups]
        assert order == [None, False, True] and found == pytest.approx(expected, rel=1e-9)


@vectors('lr_vit*.npz')
def test_learning_rates_of_the_transformer(path: Path) -> None:
    data = load(path)
    options = int(data['warmup_iters']), float(data['warmup_ratio']), int(data['max_iters'])
    found = [warmup_then_linear(step, *options) for step in data['scheduler_step'].tolist()]
    assert found == pytest.approx(data['factor'].tolist(), rel=1e-9)
    assert (data['iter'] - 1).tolist() == data['scheduler_step'].tolist()
    schedule = Config.fromfile(str(CONFIGS.parent / 'schedules/quadmix_video_40k_mit.py'))
    assert schedule.optimizer.lr == float(data['base_lr'])
    assert schedule.optimizer.paramwise_cfg.custom_keys['decode_head'].lr_mult == float(data['decoder_mult'])

"""Every one-target method takes several targets, merged into one batch: the natural baselines of the multi-target setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mmseg_uda.datasets.uda_dataset import UDADataset
from tests.datasets.worlds import cityscapes_config, gta_config, make_cityscapes, make_gta
from tests.harness.methods import Setup, check_batch_sizes, check_two_ranks

from . import test_adversarial, test_quadmix, test_self_training

STREAMS = ('source', 'target', 'target2', 'target3')
DACS = test_self_training.DACS
MERGING: dict[str, dict[str, Any]] = {
    **{name: test_adversarial.VARIANTS[name] for name in ('adaptsegnet', 'advent', 'minent', 'mic_adaptsegnet')},
    'dacs': DACS,
    'mic': dict(DACS, **test_self_training.MASKING),
    'quadmix': test_quadmix.UDA['mic'],
}


def options(name: str) -> dict[str, Any]:
    return dict(add_extras=test_quadmix.patches) if name == 'quadmix' else {}


@pytest.mark.parametrize('name', MERGING)
def test_batch_sizes(name: str) -> None:
    uda = dict(MERGING[name])
    check_batch_sizes(uda, STREAMS, **options(name))


@pytest.mark.parametrize('name', ['advent', 'dacs'])
def test_two_ranks(name: str, tmp_path: Path) -> None:
    check_two_ranks(MERGING[name], STREAMS, tmp_path)


def test_every_target_is_used() -> None:
    """The merged loss on three targets is the mean of the losses on each."""
    setup = Setup(dict(type='MinEnt'), STREAMS)
    losses = []
    for kept in (STREAMS[1:], *((name,) for name in STREAMS[1:])):
        method, _ = setup.build()
        batch = setup.data.batch([0, 1])
        method.eval()
        renamed = {}
        for number, name in enumerate(kept):
            new = 'target' if number == 0 else f'target{number + 1}'
            renamed.update({f'{new}{key[len(name):]}': value for key, value in batch.items() if key.startswith(f'{name}_')})
        source = {key: value for key, value in batch.items() if not key.startswith('target')}
        losses.append(next(term.loss for term in method.training_losses({**source, **renamed}) if term.name == 'target'))
    torch.testing.assert_close(losses[0], torch.stack(losses[1:]).mean())


def test_alternating_targets_are_one_stream(tmp_path: Path) -> None:
    make_gta(tmp_path / 'gta', 2)
    first, second = (cityscapes_config(make_cityscapes(tmp_path / name, 3)) for name in ('a', 'b'))
    dataset = UDADataset(source=gta_config(tmp_path / 'gta'), target=dict(type='ConcatDataset', datasets=[first, second]))
    assert dataset.stream_names == ('source', 'target')
    epoch = [dataset[i]['target_img_metas'].data['filename'] for i in range(6)]
    assert sorted(name.replace(str(tmp_path), '')[1] for name in epoch) == ['a'] * 3 + ['b'] * 3

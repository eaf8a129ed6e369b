"""Every one-target method takes several targets, merged into one batch: the natural baselines of the multi-target
setting."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mmseg_uda.datasets.uda_dataset import UDADataset
from tests.datasets.worlds import cityscapes_config, gta_config, make_cityscapes, make_gta
from tests.harness.methods import Setup, check_batch_sizes, check_two_ranks

from . import test_adversarial, test_dstc, test_quadmix, test_ripu, test_self_training, test_stal

TARGETS = ('target', 'target2', 'target3')
STREAMS = ('source', *TARGETS)
LABELED = ('labeled_target', *STREAMS)
DACS = test_self_training.DACS


def pseudo_labels(sample: dict[str, Any], stream: str, generator: torch.Generator) -> None:
    """Pseudo-labels for every target."""
    if stream.startswith('target'):
        sample['gt_semantic_seg'] = torch.randint(0, 5, (1, *sample['img'].shape[1:]), generator=generator)


#: method -> its config, the streams, and options of the harness
MERGING: dict[str, tuple[Any, tuple[str, ...], dict[str, Any]]] = {
    'source_only': (None, STREAMS, {}),
    **{
        name: (test_adversarial.VARIANTS[name], STREAMS, {})
        for name in ('adaptsegnet', 'advent', 'minent', 'mic_adaptsegnet')
    },
    'esl': (test_adversarial.VARIANTS['esl'], STREAMS, dict(add_extras=pseudo_labels)),
    'dacs': (DACS, STREAMS, {}),
    'daformer': (dict(DACS, pseudo_weight_ignore_top=2, pseudo_weight_ignore_bottom=8), STREAMS, {}),
    'mic': (dict(DACS, **test_self_training.MASKING), STREAMS, {}),
    'quadmix': (test_quadmix.UDA['mic'], STREAMS, test_quadmix.options('mic')),
    'mic_hrda': (
        dict(DACS, **test_self_training.MASKING),
        STREAMS,
        {**test_quadmix.options('hrda'), 'add_extras': None},
    ),
    'dstc': (test_dstc.config(pseudo_threshold=0.206), LABELED, {}),
    'ripu': (test_ripu.VARIANTS['default'], LABELED, dict(add_extras=test_ripu.few_labels)),
    'stal': (test_stal.stal(cutmix=dict(size=9)), LABELED, {}),
}


@pytest.mark.parametrize('name', MERGING)
@pytest.mark.filterwarnings('ignore:one unlabelled image')
def test_batch_sizes(name: str) -> None:
    uda, streams, options = MERGING[name]
    check_batch_sizes(uda, streams, **options)


@pytest.mark.parametrize('name', ['advent', 'dacs', 'dstc'])
def test_two_ranks(name: str, tmp_path: Path) -> None:
    uda, streams, options = MERGING[name]
    check_two_ranks(uda, streams, tmp_path, **options)


@pytest.mark.parametrize('name', ['dstc', 'stal'])
def test_pseudo_labels_are_made_for_every_target(name: str) -> None:
    uda, streams, options = MERGING[name]
    setup = Setup(uda, streams, **options)
    method, _ = setup.build()
    method.views = {}
    for _ in method.training_losses(setup.data.batch([0, 1])):
        pass
    mixed = next(view for key, view in method.views.items() if key in ('mixed', 'mix_source_branch'))
    assert len(mixed['img']) == 2 * len(TARGETS)


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
            renamed.update(
                {f'{new}{key[len(name) :]}': value for key, value in batch.items() if key.startswith(f'{name}_')}
            )
        source = {key: value for key, value in batch.items() if not key.startswith('target')}
        losses.append(
            next(term.loss for term in method.training_losses({**source, **renamed}) if term.name == 'target')
        )
    torch.testing.assert_close(losses[0], torch.stack(losses[1:]).mean())


def test_alternating_targets_are_one_stream(tmp_path: Path) -> None:
    make_gta(tmp_path / 'gta', 2)
    first, second = (cityscapes_config(make_cityscapes(tmp_path / name, 3)) for name in ('a', 'b'))
    dataset = UDADataset(
        source=gta_config(tmp_path / 'gta'), target=dict(type='ConcatDataset', datasets=[first, second])
    )
    assert dataset.stream_names == ('source', 'target')
    epoch = [dataset[i]['target_img_metas'].data['filename'] for i in range(6)]
    assert sorted(name.replace(str(tmp_path), '')[1] for name in epoch) == ['a'] * 3 + ['b'] * 3

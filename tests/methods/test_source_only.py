"""Supervised training passes the checks of every method, with and without labelled target images."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from tests.harness.methods import Setup, check_batch_sizes, check_exact_resume, check_two_ranks

STREAMS = [('source',), ('source', 'labeled_target'), ('labeled_target',)]
LABELLED = ('source', 'labeled_target', 'target')
CUTMIX = dict(type='SourceOnly', mixer=dict(type='BoxMixer'))


@pytest.mark.parametrize('streams', STREAMS, ids='+'.join)
def test_source_only(streams: tuple[str, ...], tmp_path: Path) -> None:
    check_batch_sizes(None, streams)
    check_exact_resume(None, streams, tmp_path)
    check_two_ranks(None, streams, tmp_path)


def test_unlabelled_images_are_not_looked_at() -> None:
    setup = Setup(None, ('source', 'target'))
    method, step = setup.build()
    step([setup.data.batch([0])], 0)
    assert set(step.flush()[0]) == {'decode.loss_ce', 'loss'}


def test_source_boxes_on_labelled_target_images(tmp_path: Path) -> None:
    check_batch_sizes(CUTMIX, LABELLED)
    check_exact_resume(CUTMIX, LABELLED, tmp_path)
    check_two_ranks(CUTMIX, LABELLED, tmp_path)
    setup = Setup(CUTMIX, LABELLED)
    method, step = setup.build()
    method.views = {}
    for iteration in range(2):
        step([setup.data.batch([2 * iteration, 2 * iteration + 1])], iteration)
    log, views = step.flush()[-1], method.views
    assert {key for key in log if 'loss_' in key} == {'decode.loss_ce'} and set(views) == {'mixed_labeled'}
    batch, mixed = setup.data.batch([2, 3]), views['mixed_labeled']
    from_source = (mixed['img'] == batch['img']).all(1)
    for inside, prefix in ((from_source, ''), (~from_source, 'labeled_target_')):
        for key in ('img', 'gt_semantic_seg'):
            chosen = inside[:, None].expand_as(batch[prefix + key])
            assert torch.equal(mixed['img' if key == 'img' else 'label'][chosen], batch[prefix + key][chosen])
    boxes = [mask.any(1).sum() * mask.any(0).sum() for mask in from_source]
    assert all(box == mask.sum() and abs(box / mask.numel() - 0.5) < 0.05 for box, mask in zip(boxes, from_source))
    assert not torch.equal(*from_source)


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(mixer=dict(type='BoxMixer', share=0)), 'mixer.share'),
        (dict(labeled_target=dict()), 'uda.mixer'),
        (dict(mixer=dict(type='BoxMixr')), "did you mean 'BoxMixer'"),
    ],
)
def test_wrong_options_of_supervised_training_are_named(changes: dict[str, Any], message: str) -> None:
    with pytest.raises((KeyError, ValueError), match=message):
        Setup({**CUTMIX, **changes}, LABELLED).build()

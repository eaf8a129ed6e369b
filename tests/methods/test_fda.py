"""FDA trains at any batch size, resumes exactly, and ranks equal one process; what its source images look like."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from mmseg_uda.streams import split_streams
from tests.harness.methods import Setup, check_batch_sizes, check_exact_resume, check_two_ranks
from tests.harness.synthetic import NORM

UDA: dict[str, Any] = dict(type='FDA', beta=0.1)


def test_batch_sizes() -> None:
    check_batch_sizes(UDA)


def test_exact_resume(tmp_path: Path) -> None:
    check_exact_resume(UDA, tmp_path=tmp_path)


def test_two_ranks(tmp_path: Path) -> None:
    check_two_ranks(UDA, tmp_path=tmp_path)


def test_several_targets_and_target_labels() -> None:
    check_batch_sizes(UDA, ('source', 'target', 'target2', 'labeled_target'))
    check_batch_sizes(dict(UDA, labeled_target=dict()), ('labeled_target', 'target'))


def test_source_images_take_the_mean_colour_of_their_target_image() -> None:
    setup = Setup(dict(UDA, beta=0.0, lambda_ent=dict(decode=0.1)))
    method, step = setup.build()
    batch = setup.data.batch([0, 1])
    batch['target_img'] = batch['target_img'][:1] + 0.3
    batch['target_img_metas'] = batch['target_img_metas'][:1]
    styled = method.restyled(split_streams(batch))
    torch.testing.assert_close(
        styled.mean((2, 3)), batch['target_img'].mean((2, 3)).expand(2, -1), rtol=1e-4, atol=1e-5
    )
    details = [img - img.mean((2, 3), keepdim=True) for img in (styled, batch['img'])]
    torch.testing.assert_close(details[0], details[1], rtol=1e-4, atol=1e-4)
    method.views = {}
    step([batch], 0)
    assert torch.equal(method.views['source']['img'], styled)
    assert torch.equal(method.views['source']['label'], batch['gt_semantic_seg'])
    log = step.flush()[0]
    assert log['loss'] == pytest.approx(log['source.decode.loss_ce'] + 0.1 * log['ent.decode.loss'])


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(img=torch.zeros(2, 3, 16, 16)), 'images of one size, got .*crop_size'),
        (dict(img_metas=[dict(img_norm_cfg=dict(NORM, std=[9.0] * 3))] * 2), 'one img_norm_cfg'),
    ],
)
def test_images_that_cannot_exchange_frequencies_are_refused(change: dict[str, Any], message: str) -> None:
    setup = Setup(UDA)
    method, step = setup.build()
    with pytest.raises(ValueError, match=message):
        step([{**setup.data.batch([0, 1]), **change}], 0)


@pytest.mark.parametrize('options', [dict(beta=0.6), dict(eta=0.0), dict(lambda_ent=dict(decode=-1.0))])
def test_wrong_options_are_named(options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=next(iter(options))):
        Setup(dict(UDA, **options)).build()

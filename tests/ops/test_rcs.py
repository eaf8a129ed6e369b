"""Edge cases of rare-class probabilities and margins."""

from __future__ import annotations

import numpy as np
import pytest

from mmseg_uda.ops.rcs import pseudo_margin_mask, rcs_class_probs, samples_with_class


def test_rarer_classes_are_likelier_and_low_temperatures_stay_finite() -> None:
    classes, probs = rcs_class_probs([{0: 10**9, 1: 10}, {2: 10**5}], 1e-4)
    assert classes == [1, 2, 0]
    assert np.isfinite(probs).all() and probs[0] >= probs[1] > probs[2] and probs.sum() == pytest.approx(1)


def test_nothing_to_draw_from() -> None:
    with pytest.raises(ValueError, match='no labelled pixel'):
        rcs_class_probs([{}, {}], 0.01)
    with pytest.raises(ValueError, match='class_temp'):
        rcs_class_probs([{0: 1}], 0)


def test_the_number_of_pixels_must_be_exceeded() -> None:
    records = [('a', {0: 3000}), ('b', {0: 3001, 1: 1})]
    assert samples_with_class(records, [0, 1], 3000) == {0: ['b'], 1: []}


def test_margins() -> None:
    assert pseudo_margin_mask(4, 3, (1, 0, 0, 1)).tolist() == [[0, 0, 0], [1, 1, 0], [1, 1, 0], [1, 1, 0]]
    assert pseudo_margin_mask(4, 3, (3, 3, 0, 0)).sum() == 0
    with pytest.raises(ValueError, match='top, bottom, left, right'):
        pseudo_margin_mask(4, 3, (-1, 0, 0, 0))

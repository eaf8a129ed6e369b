"""The 16- and 13-class scores of SYNTHIA's protocols, from networks with 19 and with 16 classes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from mmseg_uda.datasets import label_spaces
from mmseg_uda.engine.evaluation import score_results


class Scored:
    """A data set whose classes have the IoUs 1, 2, 3 ... percent."""

    def __init__(self, space: str) -> None:
        self.CLASSES = label_spaces.SPACES[space][0]

    def evaluate(self, results: Any, **_: Any) -> dict[str, float]:
        return {
            f'IoU.{name}': 0.01 * (1 + label_spaces.CITY19.index(name))
            for name in self.CLASSES
            if name in label_spaces.CITY19
        }


@pytest.mark.parametrize('space', ['city19', 'city16'])
def test_subsets_are_means_over_class_names(space: str) -> None:
    metrics = score_results(Scored(space), [])
    without = {'terrain', 'truck', 'train'}
    for count, left_out in ((16, without), (13, without | {'wall', 'fence', 'pole'})):
        ids = [1 + i for i, name in enumerate(label_spaces.CITY19) if name not in left_out]
        assert metrics[f'mIoU{count}'] == pytest.approx(0.01 * np.mean(ids))


def test_other_classes_have_no_subsets() -> None:
    assert not any(key.startswith('mIoU') for key in score_results(Scored('super7'), []))

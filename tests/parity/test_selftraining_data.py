"""Parity with the released data code of DAFormer, HRDA and MIC: rare-class probabilities, label conversion,
pseudo-label margins.
"""

from __future__ import annotations

from pathlib import Path

import cv2
import numpy as np
import pytest

from mmseg_uda.datasets.class_stats import count_classes
from mmseg_uda.datasets.label_spaces import RAW_ID_LIMIT, table
from mmseg_uda.datasets.labels import LabelReader, decode_label
from mmseg_uda.ops.rcs import pseudo_margin_mask, rcs_class_probs

from .golden import golden_files, load


def by_name(path: Path) -> str:
    return path.stem


@pytest.mark.parametrize('path', golden_files('selftraining', 'rcs_class_probs_*.npz'), ids=by_name)
def test_rare_class_probabilities(path: Path) -> None:
    vector = load(path)
    records = [{cls: int(n) for cls, n in enumerate(row) if n} for row in vector['counts']]
    classes, probs = rcs_class_probs(records, float(vector['temperature']))
    assert classes == vector['classes'].tolist()
    assert probs.dtype == np.float32
    np.testing.assert_allclose(probs, vector['probs'], rtol=1e-5, atol=1e-7)


def check_conversion(raw: np.ndarray, data_set: str, vector: dict[str, np.ndarray]) -> None:
    label = LabelReader(table(data_set), 19, RAW_ID_LIMIT[data_set], strict=False).translate(raw, 'vector')
    np.testing.assert_array_equal(label, vector['train_id'])
    counts = count_classes(label, 19)
    assert [counts.get(cls, 0) for cls in range(19)] == vector['class_pixels'].tolist()
    assert 0 not in counts.values()


@pytest.mark.parametrize('path', golden_files('selftraining', 'label_gta_*.npz'), ids=by_name)
def test_gta_labels(path: Path) -> None:
    vector = load(path)
    check_conversion(vector['label_id'], 'gta', vector)


@pytest.mark.parametrize('path', golden_files('selftraining', 'label_synthia_*.npz'), ids=by_name)
def test_synthia_labels_through_a_16_bit_png(path: Path) -> None:
    vector = load(path)
    png = cv2.imencode('.png', np.ascontiguousarray(vector['label_rgb_uint16'][..., ::-1]))[1].tobytes()
    raw = decode_label(png, 'vector')
    np.testing.assert_array_equal(raw, vector['label_rgb_uint16'][..., 0])
    check_conversion(raw, 'synthia', vector)


@pytest.mark.parametrize('path', golden_files('selftraining', 'pseudo_margins_*.npz'), ids=by_name)
def test_pseudo_label_margins(path: Path) -> None:
    vector = load(path)
    mask = pseudo_margin_mask(*(int(n) for n in vector['size_hw']), vector['margins_tblr'].tolist())
    assert mask.dtype == np.uint8
    np.testing.assert_array_equal(mask, vector['mask'])

"""What the check of a data set and the start of a training say about the files."""

from __future__ import annotations

import logging
import re
from pathlib import Path
from typing import Any, Callable

import cv2
import numpy as np
import pytest
import torch
from mmcv import Config
from mmseg.datasets import build_dataset
from PIL import Image

from mmseg_uda.datasets.inspection import build_data_set, check_data_set, config_data_sets, findings, summary
from mmseg_uda.engine.train import train
from tests.engine.worlds import write_config

from .worlds import blocks, folder_config, image, labelled_pipeline, make_folder, write_image, write_label


def said(root: Path, **changes: Any) -> str:
    """All findings of the folder data set; the check of the files says the same."""
    config = folder_config(root, **changes)
    lines = findings(build_dataset(config))
    [dataset] = build_data_set(config_data_sets(dict(data=dict(train=config)))['source'])
    report = summary('source', dataset, check_data_set(dataset, workers=0, quiet=True))
    assert ('no problem found' in report) == (not lines)
    return ' | '.join(lines)


def deep(root: Path) -> None:
    cv2.imwrite(str(root / 'images/9.png'), image(0).astype(np.uint16) * 50)


def alpha(root: Path) -> None:
    cv2.imwrite(str(root / 'images/9.png'), np.dstack([image(0), image(1)[..., 0]]))


def turned(root: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 3
    Image.fromarray(image(0)).save(root / 'images/9.jpg', exif=exif)


def palette(root: Path) -> None:
    write_label(root / 'images/9.png', blocks((0, 1, 2))(0), 'palette')


def grey_map(root: Path) -> None:
    write_label(root / 'images/9.png', blocks((0, 1, 2))(0))


def hidden(root: Path) -> None:
    (root / 'images/._0.jpg').write_bytes(b'\0')


def other_suffix(root: Path) -> None:
    (root / 'images/0.gif').write_bytes(b'GIF')
    write_image(root / 'images/8.bmp', 1)


def without_label(root: Path) -> None:
    (root / 'labels/3.png').unlink()


def half_size(root: Path) -> None:
    write_label(root / 'labels/1.png', blocks((0, 1, 2, 2))(0)[::2, ::2])


def out_of_range(root: Path) -> None:
    write_label(root / 'labels/1.png', blocks((0, 1, 2, 7))(0))


def lossy_labels(root: Path) -> None:
    for i in range(4):
        Image.open(root / f'labels/{i}.png').save(root / f'labels/{i}.jpg', quality=100)


CASES: list[tuple[Callable[[Path], None], dict[str, Any], str]] = [
    (deep, {}, '1 of 5 images have more than 8 bits'),
    (alpha, {}, '1 of 5 images have more than 3 bands'),
    (turned, {}, '1 of 5 images are turned by their EXIF'),
    (palette, {}, 'palette pictures, as label maps are'),
    (grey_map, {}, 'look like label maps'),
    (hidden, {}, '1 hidden files are left out'),
    (other_suffix, dict(img_suffix='.jpg'), r'\(.bmp; first: 8.bmp\).*are left out'),
    (without_label, {}, '1 of 4 images have no label file'),
    (half_size, {}, 'size differs: 1 of 4'),
    (out_of_range, {}, 'unexpected ids: 1 of 4'),
    (lossy_labels, dict(seg_map_suffix='.jpg', strict_labels=False), '4 label maps are JPEGs'),
]


@pytest.mark.parametrize(('damage', 'options', 'expected'), CASES, ids=[case[0].__name__ for case in CASES])
def test_a_finding_names_what_is_wrong(
    tmp_path: Path, damage: Callable[[Path], None], options: dict[str, Any], expected: str
) -> None:
    make_folder(tmp_path, 4, blocks((0, 1, 2, 2)))
    damage(tmp_path)
    if damage in (deep, alpha, turned, palette, grey_map):
        write_label(tmp_path / 'labels/9.png', blocks((0, 1, 2, 2))(0))
    assert re.search(expected, said(tmp_path, **options))


def test_a_sound_data_set_gives_no_finding(tmp_path: Path) -> None:
    make_folder(tmp_path, 4, blocks((0, 1, 2, 255)))
    assert said(tmp_path) == ''


def test_masks_of_0_and_255_name_the_id_map(tmp_path: Path) -> None:
    make_folder(tmp_path, 4, blocks((0, 255)))
    options = dict(classes=['background', 'thing'])
    assert 'class thing occurs in none of the 4 label maps. ' in said(tmp_path, **options)
    assert 'id_map={0: 0, 255: 1}' in said(tmp_path, **options)
    assert said(tmp_path, **options, id_map={0: 0, 255: 1}) == ''


def test_images_listed_twice_and_too_small_images_are_found(tmp_path: Path) -> None:
    make_folder(tmp_path, 4, blocks((0, 1, 2, 2)))
    (tmp_path / 'list.txt').write_text('0\n1\n1\n')
    assert '1 images are listed more than once (first: 1.jpg)' in said(tmp_path, split='list.txt')
    large = labelled_pipeline(crop=(64, 64))
    assert 'fill 23% of crops of 64x64' in ' '.join(findings(build_dataset(folder_config(tmp_path, pipeline=large))))
    margins = folder_config(tmp_path, crop_pseudo_margins=[10, 10, 0, 0])
    assert 'leave 17% of the pixels' in ' '.join(findings(build_dataset(margins)))


def test_a_training_begins_with_the_findings(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    config = write_config(tmp_path, extra='\nrunner = dict(max_iters=1)\nevaluation = dict(interval=2)\n')
    (tmp_path / 'target/images/._0.jpg').write_bytes(b'\0')
    cfg = Config.fromfile(str(config))
    cfg.work_dir = str(tmp_path / 'run')
    with caplog.at_level(logging.WARNING):
        train(cfg, torch.device('cpu'), logger=logging.getLogger('findings-test'), meta={})
    text = ' | '.join(record.getMessage() for record in caplog.records)
    assert 'data: data.train.target: 1 hidden files are left out' in text
    assert 'data: data.train.source: classes d, e occur in none of the 4 label maps' in text
    assert 'data: data.val (target): 1 hidden files' in text

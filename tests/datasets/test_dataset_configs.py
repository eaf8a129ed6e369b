"""Every data set config is complete: its data sets are built on tiny worlds in the official layouts."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Optional

import pytest
from mmcv import Config
from mmcv.parallel import collate
from mmseg.datasets import build_dataset

from mmseg_uda.datasets.builder import build_training_dataset
from mmseg_uda.streams import split_streams

from .worlds import blocks, make_cityscapes, make_gta, write_image, write_label

CONFIGS = sorted((Path(__file__).parents[2] / 'configs/_base_/datasets').glob('*.py'))


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two files of every data set in ``data/`` and ``data/toy/``, and CamVid."""
    root = tmp_path_factory.mktemp('world')
    for data in (root / 'data', root / 'data/toy'):
        make_gta(data / 'gta', 2)
        for split in ('train', 'val'):
            make_cityscapes(data / 'cityscapes', 2, split)
            write_image(data / f'idd/leftImg8bit/{split}/0/1_leftImg8bit.png', 0)
            write_label(data / f'idd/gtFine/{split}/0/1_gtFine_labelids.png', blocks((0, 33))(0))
            for name in ('acdc', 'dark_zurich'):
                night = 'night/' if name == 'dark_zurich' and split == 'train' else ''
                write_image(data / f'{name}/rgb_anon/{split}/{night}GOPR1/GOPR1_frame_1_rgb_anon.png', 0)
                write_label(
                    data / f'{name}/gt/{split}/{night}GOPR1/GOPR1_frame_1_gt_labelTrainIds.png', blocks((0, 10))(0)
                )
        write_image(data / 'synthia/RGB/0000000.png', 0)
        write_label(data / 'synthia/GT/LABELS/0000000.png', blocks((3, 1))(0), '16-bit')
        write_image(data / 'synscapes/img/rgb/1.png', 0)
        write_label(data / 'synscapes/img/class/1.png', blocks((7, 23, 1))(0))
        write_image(data / 'urbansyn/rgb/rgb_0001.png', 0)
        write_label(data / 'urbansyn/ss/ss_0001.png', blocks((0, 10, 19))(0))
        for split in ('train', 'val'):
            write_image(data / f'bdd100k/images/10k/{split}/a.jpg', 0)
            write_label(data / f'bdd100k/labels/sem_seg/masks/{split}/a.png', blocks((0, 18))(0))
        for part in ('Train/Rural', 'Train/Urban', 'Val/Urban'):
            write_image(data / f'{"loveda" if data.name == "toy" else "loveDA"}/{part}/images_png/0.png', 0)
            write_label(
                data / f'{"loveda" if data.name == "toy" else "loveDA"}/{part}/masks_png/0.png', blocks((0, 1, 7))(0)
            )
        for name in ('potsdam_irrg', 'vaihingen'):
            for split in ('train', 'val'):
                write_image(data / f'{name}/img_dir/{split}/a.png', 0)
                write_label(data / f'{name}/ann_dir/{split}/a.png', blocks((0, 1, 6))(0))
        for part in ('hospital_a/train', 'hospital_b/train', 'hospital_b/val'):
            write_image(data / f'polyps/{part}/images/a.jpg', 0)
            write_label(data / f'polyps/{part}/masks/a.png', blocks((0, 255))(0))
        for part in ('training', 'validation'):
            write_image(data / f'mapillary/{part}/images/a.jpg', 0)
            write_label(data / f'mapillary/{part}/labels/a.png', blocks((13, 27))(0), 'palette')
    for name in [f'{kind}_{number}' for kind in ('labeled', 'unlabeled') for number in (100, 200, 500, 1000)]:
        path = root / f'data/cityscapes/splits/ssda/train_{name}_seed0.txt'
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text('aachen/aachen_000000_000019\n')
    (root / 'data/toy_512x256').symlink_to(root / 'data/toy')
    for listed in (CONFIGS[0].parent / 'splits').glob('toy_cityscapes_*_5_seed0.txt'):
        for name in listed.read_text().split():
            write_image(root / f'data/toy/cityscapes/leftImg8bit/train/{name}_leftImg8bit.png', 0)
            write_label(root / f'data/toy/cityscapes/gtFine/train/{name}_gtFine_labelIds.png', blocks((7, 26))(0))
    camvid = root / 'data/camvid'
    write_image(camvid / 'images/a.jpg', 0)
    write_label(camvid / 'labels/a.png', blocks((0, 10, 255))(0))
    for listed in (CONFIGS[0].parent / 'splits').glob('camvid_dusk_*.txt'):
        for name in listed.read_text().split():
            write_image(camvid / f'images/{name}.jpg', 0)
            write_label(camvid / f'labels/{name}.png', blocks((0, 10, 255))(0))
    for split in ('day_train', 'day_val', 'dusk_train', 'dusk_val'):
        (camvid / 'splits').mkdir(exist_ok=True)
        (camvid / f'splits/{split}.txt').write_text('a\n')
    return root


def cases() -> list[tuple[Path, Optional[str]]]:
    """Data bases that are complete (files of streams are parts of others), and every setting of those that have several.

    CoaST's self-training needs a run's pseudo-labels: tests/test_configs.py compares its settings with the warm-up's.
    The data sets of clips and sequences have tests of their own (``test_video.py``).
    """
    found: list[tuple[Path, Optional[str]]] = []
    for path in CONFIGS:
        cfg = Config.fromfile(str(path))
        if (
            path.stem.startswith(('coast_', 'video_'))
            or '_seq' in path.stem
            or path.stem.endswith('_streams')
            or 'train' not in cfg.get('data', {})
        ):
            continue
        found += [(path, setting) for setting in cfg.get('settings') or [None]]
    return found


def narrow_margins(target: Any) -> None:
    """Margins of the configs are wider than the images of this world."""
    if isinstance(target, (list, tuple)):
        for one in target:
            narrow_margins(one)
    elif isinstance(target, dict) and target.get('crop_pseudo_margins'):
        target['crop_pseudo_margins'] = [1, 2, 1, 1]
    elif isinstance(target, dict):
        narrow_margins(target.get('datasets') or target.get('dataset'))


@pytest.mark.parametrize('path, setting', cases(), ids=lambda value: getattr(value, 'stem', value))
def test_streams_and_test_sets(
    path: Path, setting: Optional[str], world: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world)
    monkeypatch.delenv('MMSEG_UDA_CAMVID', raising=False)
    cfg = Config.fromfile(str(path))
    if setting is not None:
        cfg.merge_from_dict(dict(data=cfg.settings[setting]))
    for part in ('rare_class_sampling', 'class_patches'):
        if cfg.data.train.get(part):
            cfg.data.train[part].min_pixels = 1  # the images of this world are tiny and show few classes
    if cfg.data.train.get('class_patches'):
        cfg.data.train.class_patches.pool = [0]
    target = cfg.data.train.get('target')
    narrow_margins(target)
    dataset = build_training_dataset(cfg, seed=0)
    kind = path.stem.split('_')[0]
    targets = len(target) if isinstance(target, (list, tuple)) else 1
    several = {'source', *('target', 'target2', 'target3', 'target4')[:targets]}
    expected = {
        'uda': {'source', 'target'},
        'quadmix': {'source', 'target'},
        'advent': {'source', 'target'},
        'mtda': several,
        'vfm': several,
        'mtaf': several,
        'ssda': {'source', 'target', 'labeled_target'},
        'dstc': {'source', 'target', 'labeled_target'},
    }.get(kind, {'source'})
    assert set(dataset.stream_names) == expected
    batch = collate([dataset[0], dataset[1]], 2)
    streams = split_streams({key: value.data[0] for key, value in batch.items()})
    crops = {tuple(stream.img.shape[2:]) for stream in streams.values()}
    assert len(crops) == 1 or 'advent' in path.stem, 'only whole images may differ in size between the streams'
    named = path.stem.rsplit('_', 1)[-1]
    assert 'x' not in named or crops == {tuple(int(n) for n in named.split('x'))}
    tests = cfg.data.val if isinstance(cfg.data.val, list) else [cfg.data.val]
    for test in tests:
        built = build_dataset({key: value for key, value in test.items() if key != 'name'}, dict(test_mode=True))
        assert built.CLASSES == dataset.CLASSES
        padded = 'letterbox' in type(built).__name__.lower()  # to the box's aspect ratio of 2
        native = (24, 48) if padded else (24, 40)
        size = getattr(built, 'score_size', None)
        assert built.get_gt_seg_map_by_idx(0).shape == (size[::-1] if size else native)
        assert built[0]['img'][0].shape[0] == 3

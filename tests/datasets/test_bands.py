"""Images of any number of bands and any depth, labels in any form, and padding inside a batch."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmcv import Config
from mmseg.datasets import build_dataset
from PIL import Image

from mmseg_uda.components.augmentations import ColorJitterBlur
from mmseg_uda.datasets.labels import CorruptFileError, LabelIdError, decode_label
from mmseg_uda.datasets.pipelines import pillow_resize
from mmseg_uda.datasets.uda_dataset import UDADataset
from mmseg_uda.engine import predict, train
from mmseg_uda.engine.data import build_train_loader, to_device
from mmseg_uda.models.pretrained import adapt_input_bands
from mmseg_uda.ops.normalize import as_picture
from mmseg_uda.streams import split_streams
from mmseg_uda.utils.config_errors import ConfigError
from mmseg_uda.utils.rng import StepRng
from tests.engine.worlds import write_config

from .worlds import blocks, folder_config, image, labelled_pipeline, make_folder, write_label

SCALES = {'uint8': 1, 'uint16': 40, 'float32': 0.01}


def bands_world(root: Path, bands: int, depth: str) -> dict[str, Any]:
    """Folders ``source`` and ``target`` of TIFFs; returns the options of Normalize that fit."""
    for domain in ('source', 'target'):
        make_folder(root / domain)
        for i in range(4):
            (root / domain / f'images/{i}.jpg').unlink()
            planes = np.dstack([image(i), image(9 + i)])[..., :bands].astype(np.float64) * SCALES[depth]
            values = planes.astype(depth)[..., 0] if bands == 1 else planes.astype(depth)
            assert cv2.imwrite(str(root / domain / f'images/{i}.tif'), values)
    return dict(mean=[120.0 * SCALES[depth]] * bands, std=[60.0 * SCALES[depth]] * bands, to_rgb=False)


@pytest.mark.parametrize(('bands', 'depth'), [(1, 'uint8'), (4, 'uint8'), (4, 'uint16'), (3, 'float32')])
def test_dacs_trains_evaluates_and_predicts_any_bands_and_depth(tmp_path: Path, bands: int, depth: str) -> None:
    norm = bands_world(tmp_path, bands, depth)
    path = write_config(tmp_path, uda="dict(type='DACS', color_jitter_probability=0.0)")
    text = path.read_text().replace(
        "dict(type='LoadImageFromFile')", "dict(type='LoadImageFromFile', color_type='unchanged')"
    )
    text = text.replace(
        'norm = dict(mean=[123.675, 116.28, 103.53], std=[58.395, 57.12, 57.375], to_rgb=True)', f'norm = {norm}'
    )
    path.write_text(text.replace("dict(type='TinyBackbone')", f"dict(type='TinyBackbone', in_channels={bands})"))
    train.main([str(path), '--work-dir', str(tmp_path / 'run'), '--device', 'cpu'])
    done = predict.main(
        [str(path), str(tmp_path / 'run/latest.pth'), str(tmp_path / 'target/images'), '--out', str(tmp_path / 'out')]
        + ['--device', 'cpu']
    )
    assert done == 4 and cv2.imread(str(tmp_path / 'out/0.png')).shape == (24, 40, 3)


@pytest.mark.parametrize(
    ('changes', 'named'),
    [
        (dict(color_type='unchanged'), r'3 values of mean.*4 bands \(channels\)'),
        (dict(color_type='unchanged', norm=dict(mean=[1.0] * 4, std=[1.0] * 4, to_rgb=True)), 'to_rgb=False'),
        (dict(color_type='grayscale'), r'1 bands'),
    ],
)
def test_normalisation_of_other_bands_is_refused(tmp_path: Path, changes: dict[str, Any], named: str) -> None:
    bands_world(tmp_path, 4, 'uint8')
    pipeline = labelled_pipeline()
    pipeline[0]['color_type'] = changes['color_type']
    pipeline[5].update(changes.get('norm', {}))
    with pytest.raises(ValueError, match=named):
        UDADataset(source=folder_config(tmp_path / 'source', pipeline=pipeline))[0]


def test_four_bands_are_jittered_in_brightness_and_contrast_alone() -> None:
    norm = dict(mean=[120.0] * 4, std=[60.0] * 4, to_rgb=False)
    img = torch.randn(2, 4, 8, 8).clamp(-1, 1)
    augment = ColorJitterBlur(color_jitter_strength=0.25, color_jitter_skip_prob=0.0, blur=False)
    out = augment(img, [dict(img_norm_cfg=norm)] * 2, StepRng(0, 0, batch_size=2))
    assert (out - img).abs().amax() > 0.01
    for before, after in zip(img, out):  # one line maps all bands of an image, where nothing is cut off
        x, y = (before * 60 + 120).flatten(), (after * 60 + 120).flatten()
        kept = (y > 1) & (y < 254)
        slope, offset = np.polyfit(x[kept].numpy(), y[kept].numpy(), 1)
        np.testing.assert_allclose(slope * x[kept].numpy() + offset, y[kept].numpy(), atol=0.05)


def test_deep_images_are_jittered_as_their_8_bit_form() -> None:
    """256 times the values, mean and std: the same picture, up to where black and white are."""
    img = torch.randn(1, 3, 8, 8).clamp(-1, 1)
    augment = ColorJitterBlur(color_jitter_strength=0.1, color_jitter_skip_prob=0.0, blur=False)

    def jittered(scale: float, depth: str) -> torch.Tensor:
        norm = dict(mean=[118.0 * scale] * 3, std=[57.0 * scale] * 3, to_rgb=True, depth=depth)
        return augment(img, [dict(img_norm_cfg=norm)], StepRng(0, 0, batch_size=1))

    torch.testing.assert_close(jittered(256, 'uint16'), jittered(1, 'uint8'), atol=0.02, rtol=0)


@pytest.mark.parametrize('bands', [1, 2, 3, 5])
def test_pictures_of_any_bands(bands: int) -> None:
    norm = dict(mean=[3000.0] * bands, std=[1000.0] * bands, to_rgb=False, depth='uint16')
    picture = as_picture(torch.zeros(bands, 4, 4), dict(img_norm_cfg=norm))
    assert picture.shape == (3, 4, 4) and picture.dtype == torch.uint8 and 100 < picture.float().mean() < 160


def test_resizing_does_not_take_a_band_for_transparency() -> None:
    four = np.dstack([image(0), np.zeros((24, 40), np.uint8)])
    np.testing.assert_array_equal(
        pillow_resize(four, (20, 12), 'bilinear')[..., :3], pillow_resize(image(0), (20, 12), 'bilinear')
    )
    deep = pillow_resize(image(0).astype(np.uint16) * 200, (20, 12), 'bilinear')
    assert deep.dtype == np.uint16 and abs(int(deep.mean()) - 200 * int(image(0).mean())) < 300


def test_first_layers_answer_grey_and_repeated_images_as_before() -> None:
    weight, grey = torch.randn(5, 3, 3, 3), torch.randn(1, 1, 8, 8)
    rgb = torch.conv2d(grey.expand(1, 3, 8, 8), weight)
    torch.testing.assert_close(torch.conv2d(grey, adapt_input_bands(weight, 1)), rgb)
    six = torch.conv2d(grey.expand(1, 6, 8, 8), adapt_input_bands(weight, 6))
    torch.testing.assert_close(six, rgb)


@pytest.mark.parametrize('form', ['RGB', 'RGBA', 'LA', 'P', '16-bit', 'bilevel'])
def test_labels_in_any_form_that_keeps_the_ids(tmp_path: Path, form: str) -> None:
    ids = np.array([[0, 1, 1], [1, 0, 1]], np.uint8)
    if form == '16-bit':
        cv2.imwrite(str(tmp_path / 'x.png'), ids.astype(np.uint16))
    elif form == 'bilevel':
        Image.fromarray(ids * 255).convert('1').save(tmp_path / 'x.png')
    elif form == 'P':
        write_label(tmp_path / 'x.png', ids, 'palette')
    else:
        Image.fromarray(ids).convert(form).save(tmp_path / 'x.png')
    np.testing.assert_array_equal(decode_label((tmp_path / 'x.png').read_bytes(), 'x'), ids)


def test_labels_that_are_no_ids_are_refused(tmp_path: Path) -> None:
    Image.fromarray(image(0)).save(tmp_path / 'colour.png')
    with pytest.raises(CorruptFileError, match='colour.png.*colour picture'):
        decode_label((tmp_path / 'colour.png').read_bytes(), tmp_path / 'colour.png')
    Image.fromarray(np.full((2, 2), 0.5, np.float32)).save(tmp_path / 'half.tif')
    with pytest.raises(LabelIdError, match='fractions'):
        decode_label((tmp_path / 'half.tif').read_bytes(), tmp_path / 'half.tif')


def test_padding_inside_a_batch_is_ignored_in_labels_and_invalid_for_pseudo_labels(tmp_path: Path) -> None:
    make_folder(tmp_path)
    for i in (0, 2):
        for kind, name in (('images', f'{i}.jpg'), ('labels', f'{i}.png')):
            path = str(tmp_path / kind / name)
            cv2.imwrite(path, cv2.imread(path, cv2.IMREAD_UNCHANGED)[:16, :30])
    pipeline = [step for step in labelled_pipeline() if step['type'] not in ('Resize', 'RandomCrop', 'Pad')]
    config = folder_config(tmp_path, pipeline=pipeline)
    dataset = UDADataset(
        source=config, target={**config, 'crop_pseudo_margins': [0, 0, 0, 0]}, labeled_target=config, known_labels=True
    )
    batch = to_device(next(iter(build_train_loader(dataset, dict(samples_per_gpu=4)))), torch.device('cpu'))
    for prefix in ('', 'target_', 'labeled_target_'):
        for i, meta in enumerate(batch[f'{prefix}img_metas']):
            height, width = meta['img_shape'][:2]
            outside = torch.ones(batch[f'{prefix}img'].shape[2:], dtype=torch.bool)
            outside[:height, :width] = False
            assert not batch[f'{prefix}img'][i, :, outside].any()
            if prefix == 'target_':
                assert not batch['target_valid_pseudo_mask'][i, 0, outside].any()
                assert (batch['target_ground_truth'][i, 0, outside] == 255).all()
            else:
                assert (batch[f'{prefix}gt_semantic_seg'][i, 0, outside] == 255).all()


@pytest.mark.parametrize('kind', ['FolderDataset', 'CustomDataset'])
def test_zero_labels_mean_the_same_in_training_statistics_and_evaluation(tmp_path: Path, kind: str) -> None:
    make_folder(tmp_path, 2, blocks((0, 1, 3, 3)))
    pipeline = labelled_pipeline(crop=(24, 40))
    config = folder_config(tmp_path, type=kind, img_suffix='.jpg', reduce_zero_label=True, pipeline=pipeline)
    dataset = UDADataset(source=config, rare_class_sampling=dict(min_pixels=100, class_temp=1.0, workers=0))
    assert set(dataset[0]['gt_semantic_seg'].data.unique().tolist()) == {0, 2, 255}
    assert sorted(dataset.samplers['source'].classes) == [0, 2]
    tested = build_dataset({**config, 'pipeline': []}, dict(test_mode=True))
    prediction = blocks((1, 0, 2, 2))(0)
    prediction = prediction.astype(np.int64)
    assert tested.evaluate(tested.pre_eval(prediction, 0), logger='silent')['mIoU'] == pytest.approx(1.0)


def test_a_pipeline_that_reduces_labels_for_a_data_set_that_does_not_is_refused(tmp_path: Path) -> None:
    make_folder(tmp_path)
    pipeline = labelled_pipeline()
    pipeline[1]['reduce_zero_label'] = True
    with pytest.raises(ValueError, match='data.train.source: .*reduce_zero_label=True of the data set'):
        UDADataset(source=folder_config(tmp_path, pipeline=pipeline))


def test_labels_of_another_size_are_resized_in_evaluation_as_in_training(tmp_path: Path) -> None:
    make_folder(tmp_path, 1)
    dataset = build_dataset(folder_config(tmp_path, pipeline=[]), dict(test_mode=True))
    prediction = np.kron(dataset.read_label(0), np.ones((2, 2), np.int64))
    assert dataset.evaluate(dataset.pre_eval(prediction, 0), logger='silent')['mIoU'] == pytest.approx(1.0)
    with pytest.raises(CorruptFileError, match=r'labels/0.png.*40x24.*24x40.*EXIF'):
        dataset.pre_eval(prediction[:40, :24], 0)


def test_configs_keep_the_depth_and_bands_when_they_are_checked(tmp_path: Path) -> None:
    """``Config`` objects pass as dicts do."""
    norm = bands_world(tmp_path, 4, 'uint16')
    steps = labelled_pipeline()
    steps[0]['color_type'], steps[5] = 'unchanged', dict(type='Normalize', **norm)
    cfg = Config(dict(data=dict(train=folder_config(tmp_path / 'source', pipeline=steps))))
    sample = UDADataset(source=cfg.data.train)[0]
    assert sample['img'].data.shape == (4, 16, 16) and sample['img'].data.dtype == torch.float32


def test_padded_pixels_of_a_target_get_no_pseudo_label(tmp_path: Path) -> None:
    """Also without margins: a crop larger than the image is filled up, and what is filled up does not count."""
    make_folder(tmp_path)
    pipeline = labelled_pipeline(crop=(24, 64))
    dataset = UDADataset(target=folder_config(tmp_path, pipeline=pipeline))
    loader = build_train_loader(dataset, dict(samples_per_gpu=2))
    stream = split_streams(to_device(next(iter(loader)), torch.device('cpu')))['target']
    assert stream.img.shape[2:] == (24, 64) and stream.label is None
    assert stream.valid is not None and stream.valid[..., :40].all() and not stream.valid[..., 40:].any()


@pytest.mark.parametrize('step', [dict(type='PhotoMetricDistortion'), dict(type='StrongAugment')])
def test_colour_changes_of_other_bands_are_refused(tmp_path: Path, step: dict[str, Any]) -> None:
    norm = bands_world(tmp_path, 4, 'uint8')
    pipeline = labelled_pipeline()
    pipeline[0]['color_type'], pipeline[5] = 'unchanged', dict(type='Normalize', **norm)
    pipeline.insert(5, step)
    with pytest.raises(ValueError, match=rf'{step["type"]} changes the colours of 8-bit images.*channels'):
        UDADataset(source=folder_config(tmp_path / 'source', pipeline=pipeline))[0]


def test_class_patches_of_other_bands_are_refused(tmp_path: Path) -> None:
    norm = bands_world(tmp_path, 4, 'uint8')
    pipeline = labelled_pipeline()
    pipeline[0]['color_type'], pipeline[5] = 'unchanged', dict(type='Normalize', **norm)
    source = folder_config(tmp_path / 'source', pipeline=pipeline)
    with pytest.raises(ValueError, match="3 bands.*take 'class_patches' out"):
        UDADataset(source=source, class_patches=dict(scale=(40, 24), num=1, min_pixels=1, workers=0))


def test_a_network_for_other_bands_is_refused_before_the_first_iteration(tmp_path: Path) -> None:
    norm = bands_world(tmp_path, 4, 'uint8')
    path = write_config(tmp_path)
    cfg = Config.fromfile(str(path))
    cfg.work_dir = str(tmp_path / 'run')
    for name in ('source', 'target'):
        steps = cfg.data.train[name].pipeline
        steps[0]['color_type'] = 'unchanged'
        next(step for step in steps if step['type'] == 'Normalize').update(norm)
    with pytest.raises(ConfigError, match=r'data.train.source have 4 bands.*in_channels=4'):
        train.train(cfg, torch.device('cpu'), meta={})

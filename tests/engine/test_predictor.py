"""``mmseg_uda.load(...).predict(...)``: the same masks as the tool, from whatever a user has in his hands."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmcv import Config
from PIL import Image

import mmseg_uda
from mmseg_uda.builder import build_train_model
from mmseg_uda.engine.predict import main as predict
from mmseg_uda.utils.checkpoint_io import save_checkpoint_file

from .worlds import write_config

ODD = (37, 51)
#: scores at a quarter of the image's size, so that masks have structure
FINE = "model['decode_head'].update(in_index=0, in_channels=8)\n"


def save_weights(config: Path, name: str = 'latest.pth', **meta: Any) -> Path:
    """Random weights of a config, as a run leaves them."""
    torch.manual_seed(0)
    method = build_train_model(Config.fromfile(str(config)))
    student = method.student.eval()
    for parameter in student.decode_head.parameters():
        torch.nn.init.normal_(parameter)
    bands = next(m.in_channels for m in student.modules() if isinstance(m, torch.nn.Conv2d))
    with torch.no_grad():  # every class wins somewhere
        blobs = torch.nn.functional.interpolate(4 * torch.rand(1, bands, 6, 8) - 2, size=(24, 40), mode='bilinear')
        scores = student.encode_decode(blobs, None)
        for layer in list(student.decode_head.modules())[::-1]:
            if getattr(layer, 'out_channels', 0) == scores.shape[1] and getattr(layer, 'bias', None) is not None:
                layer.bias -= scores.mean(dim=(0, 2, 3))
                break
    save_checkpoint_file(dict(meta=meta, state_dict=method.state_dict()), config.parent / name)
    return config.parent / name


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as a run leaves it, with an image of odd sizes beside it."""
    folder = tmp_path_factory.mktemp('predictor')
    config = write_config(folder, extra=FINE)
    (folder / 'run').mkdir()
    (folder / 'run' / config.name).write_text(config.read_text())
    save_weights(folder / 'run' / config.name, CLASSES=list('abcde'), PALETTE=[[i, 2 * i, 3 * i] for i in range(5)])
    noise = np.random.RandomState(0).randint(0, 255, (3, 8, 10, 3), np.uint8)
    (folder / 'shots').mkdir()
    for number, size in enumerate((ODD, (24, 40), (24, 40))):
        cv2.imwrite(str(folder / 'shots' / f'{number}.png'), cv2.resize(noise[number], size[::-1]))
    return folder


@pytest.fixture(scope='module')
def predictor(world: Path) -> Any:
    return mmseg_uda.load(world / 'run', device='cpu')


def test_a_file_an_array_and_a_picture_give_the_mask_of_the_tool(predictor: Any, world: Path) -> None:
    run = [str(world / 'run' / name) for name in ('tiny.py', 'latest.pth')]
    predict([*run, str(world / 'shots'), '--out', str(world / 'out'), '--format', 'train_ids', '--device', 'cpu'])
    path = world / 'shots' / '0.png'
    wanted = cv2.imread(str(world / 'out' / '0.png'), cv2.IMREAD_UNCHANGED)
    assert wanted.shape == ODD and len(np.unique(wanted)) > 1
    for source in (path, str(path), cv2.imread(str(path)), Image.open(path)):
        found = predictor.predict(source)
        assert np.array_equal(found.mask, wanted) and found.mask.dtype == np.uint8
        assert found.overlay.shape == (*ODD, 3) and found.probabilities is None
    opaque = predictor.predict(path).blended(1.0)
    assert np.array_equal(opaque[..., ::-1], np.asarray(predictor.palette, np.uint8)[wanted])


def test_probabilities_and_batches_agree_with_single_masks(predictor: Any, world: Path) -> None:
    single = [predictor.predict(world / 'shots' / f'{i}.png') for i in range(3)]
    together = list(predictor.predict(world / 'shots', batch_size=3, probabilities=True))
    assert [Path(found.name).name for found in together] == ['0.png', '1.png', '2.png']
    for one, found in zip(single, together):
        assert np.array_equal(one.mask, found.mask)
        assert found.probabilities.shape == (5, *found.mask.shape)
        assert np.allclose(found.probabilities.sum(0), 1, atol=1e-5)
        assert np.array_equal(found.probabilities.argmax(0), found.mask)


def test_windows_and_views_change_what_is_asked_and_nothing_stays(predictor: Any, world: Path) -> None:
    image = world / 'shots' / '0.png'
    before = predictor.predict(image, probabilities=True).probabilities
    windows = predictor.predict(image, probabilities=True, windows=(16, (8, 16))).probabilities
    views = predictor.predict(image, probabilities=True, tta=dict(ratios=[1], flip=True)).probabilities
    assert not np.allclose(windows, before) and not np.allclose(views, before)
    mirrored = cv2.flip(cv2.imread(str(image)), 1)
    other = predictor.predict(mirrored, probabilities=True).probabilities[..., ::-1]
    assert np.allclose(views, (before + other) / 2, atol=1e-5)
    assert np.array_equal(predictor.predict(image, tta=True).mask.shape, ODD)
    assert np.array_equal(predictor.predict(image, probabilities=True, windows='whole').probabilities, before)
    assert torch.is_grad_enabled() and predictor.predict(image, precision='bf16').mask.shape == ODD


def test_a_video_and_a_folder_of_its_frames_give_the_same_masks(predictor: Any, world: Path) -> None:
    (world / 'frames').mkdir()
    writer = cv2.VideoWriter(str(world / 'film.avi'), cv2.VideoWriter_fourcc(*'MJPG'), 5, (40, 24))
    for i in range(3):
        writer.write(np.full((24, 40, 3), 60 * i, np.uint8))
    writer.release()
    reader = cv2.VideoCapture(str(world / 'film.avi'))
    for i in range(3):
        cv2.imwrite(str(world / 'frames' / f'{i}.png'), reader.read()[1])
    film, frames = (list(predictor.predict(world / name)) for name in ('film.avi', 'frames'))
    assert len(film) == len(frames) == 3 and film[2].name == 'film.avi, frame 2'
    assert all(np.array_equal(a.mask, b.mask) and np.array_equal(a.overlay, b.overlay) for a, b in zip(film, frames))
    lazily = predictor.predict(world / 'film.avi')
    assert next(itertools.islice(lazily, 1, 2)).mask.shape == (24, 40) and torch.is_grad_enabled()


@pytest.mark.parametrize('bands, color_type', [(1, 'grayscale'), (4, 'unchanged')])
def test_grey_and_four_band_images_and_one_output_channel(bands: int, color_type: str, tmp_path: Path) -> None:
    extra = f"""
    model['backbone']['in_channels'] = {bands}
    {FINE.strip()}
    model['decode_head'].update(num_classes=2, out_channels=1, threshold=0.4, loss_decode=dict(type='CrossEntropyLoss', use_sigmoid=True))
    for part in (data['train']['source'], data['train']['target'], data['val'], data['test']):
        part.update(classes=['no', 'yes'], palette=[[0, 0, 0], [255, 255, 255]])
    data['test']['pipeline'] = [
        dict(type='LoadImageFromFile', color_type='{color_type}'),
        dict(type='MultiScaleFlipAug', img_scale=(40, 24), flip=False, transforms=[
            dict(type='Resize', keep_ratio=True), dict(type='Normalize', mean=[9.] * {bands}, std=[99.] * {bands}, to_rgb=False),
            dict(type='ImageToTensor', keys=['img']), dict(type='Collect', keys=['img'])])]
    """
    config = write_config(tmp_path, extra=extra)
    network = mmseg_uda.load(config, save_weights(config), device='cpu')
    assert network.classes == ('no', 'yes') and network.palette == [[0, 0, 0], [255, 255, 255]]
    image = cv2.resize(np.random.RandomState(1).randint(0, 255, (5, 7, bands), np.uint8), ODD[::-1])
    cv2.imwrite(str(tmp_path / 'image.png'), image)
    head = network.model.student.decode_head
    head.threshold = 0.5  # there the second plane is the sigmoid
    head.threshold = float(np.median(network.predict(image, probabilities=True).probabilities[1]))
    found = [network.predict(source, probabilities=True) for source in (tmp_path / 'image.png', image)]
    assert found[0].probabilities.shape == (2, *ODD) and np.array_equal(found[0].mask, found[1].mask)
    assert np.array_equal(found[0].probabilities.argmax(0), network.predict(image).mask)
    assert found[1].overlay.shape == (*ODD, 3) and set(np.unique(found[0].mask)) == {0, 1}
    with pytest.raises(ValueError, match='bands' if bands == 4 else 'convert the array'):
        network.predict(np.zeros((24, 40, 2), np.uint8))


@pytest.mark.parametrize('source, options, error, words', [
    ('nowhere.png', {}, FileNotFoundError, 'nowhere.png'),
    ('shots/0.png', dict(windows=(0, 4)), ValueError, 'windows'),
    ('shots/0.png', dict(tta=dict(ratio=[1])), ValueError, 'ratios'),
    ('shots/0.png', dict(precision='half'), ValueError, 'precision'),
])  # fmt: skip
def test_what_cannot_be_done_is_said(
    predictor: Any, world: Path, source: str, options: dict[str, Any], error: type, words: str
) -> None:
    with pytest.raises(error, match=words):
        predictor.predict(world / source, **options)


def test_folders_that_are_no_networks_say_what_is_missing(world: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match='give the checkpoint'):
        mmseg_uda.load(world / 'run' / 'tiny.py')
    with pytest.raises(FileNotFoundError, match='no config'):
        mmseg_uda.load(tmp_path)
    (tmp_path / 'a.py').touch()
    with pytest.raises(FileNotFoundError, match='no weights'):
        mmseg_uda.load(tmp_path)
    (tmp_path / 'b.py').touch()
    with pytest.raises(ValueError, match='several configs'):
        mmseg_uda.load(tmp_path)
    with pytest.raises(AttributeError, match='lod'):
        _ = mmseg_uda.lod

"""Exported networks: what other programs load gives the masks of the trained network."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from mmcv import Config
from mmseg.apis import inference_segmentor, init_segmentor
from mmseg.models import build_segmentor

import mmseg_uda
from mmseg_uda.engine.export import main as export
from mmseg_uda.engine.export_card import flat_steps
from mmseg_uda.engine.export_config import ExportError, exported_model
from mmseg_uda.engine.export_graph import has_one_size, write_onnx, write_torchscript
from mmseg_uda.engine.export_mmseg1 import mmseg1_config
from mmseg_uda.utils.checkpoint_io import load_checkpoint_file
from tests.harness.synthetic import tiny_model
from tests.models.encoders import ENCODERS, vit_model
from tests.models.networks import hrda_config

from .test_predictor import FINE, ODD, save_weights
from .worlds import write_config

ROOT = Path(__file__).resolve().parents[2]
NAMES = dict(CLASSES=list('abcde'), PALETTE=[[i, 2 * i, 3 * i] for i in range(5)], iter=7, seed=3)
#: a network whose parts MMSegmentation has itself
STOCK = """
model = dict(
    type='EncoderDecoder', pretrained='nowhere.pth', backbone=dict(type='ResNetV1c', depth=18, base_channels=8,
        norm_cfg=dict(type='SyncBN'), strides=(1, 2, 1, 1), dilations=(1, 1, 2, 4), contract_dilation=True),
    decode_head=dict(type='DepthwiseSeparableASPPHead', in_channels=64, in_index=3, channels=8, dilations=(1, 3),
        c1_in_channels=8, c1_channels=4, norm_cfg=dict(type='SyncBN'), align_corners=False,
        loss_decode=dict(type='ValidPixelCrossEntropy', loss_weight=1.0)),
    auxiliary_head=dict(type='FCNHead', in_channels=32, in_index=2, channels=4, num_convs=1, align_corners=False),
    train_cfg=dict(), test_cfg=dict(mode='whole'))
"""
DACS = "dict(type='DACS', alpha=0.9)"


def noise(size: tuple[int, int], bands: int = 3) -> np.ndarray:
    return cv2.resize(np.random.RandomState(0).randint(0, 255, (6, 8, bands), np.uint8), size[::-1])


@pytest.fixture(scope='module')
def stock(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A DACS run of a stock network, its exports of student and teacher, and an image of odd sizes."""
    folder = tmp_path_factory.mktemp('stock')
    config = write_config(folder, extra=STOCK, uda=DACS)
    weights = save_weights(config, 'iter_7.pth', **NAMES)
    loaded = load_checkpoint_file(weights)
    state = loaded['state_dict']
    for key in [key for key in state if not key.startswith('uda.')]:
        (of_teacher,) = [other for other in state if other.startswith('uda.') and other.endswith(f'.{key}')]
        state[of_teacher] = state[key].roll(1, 0) if 'decode_head.conv_seg' in key else state[key]
    torch.save(loaded, weights)
    (folder / 'test_iter_7.json').write_text(json.dumps(dict(metric=dict(mIoU=0.4321))))
    cv2.imwrite(str(folder / 'image.png'), noise(ODD))
    common = [str(config), str(weights), '--out']
    export([*common, str(folder / 'student'), '--onnx', '--torchscript', '--for', 'mmseg1'])
    export([*common, str(folder / 'teacher'), '--network', 'teacher'])
    return folder


def own_mask(folder: Path, **options: Any) -> np.ndarray:
    network = mmseg_uda.load(folder / 'tiny.py', folder / 'iter_7.pth', device='cpu', **options)
    return network.predict(folder / 'image.png').mask


def test_the_folder_gives_the_masks_of_the_run(stock: Path) -> None:
    for name in ('student', 'teacher'):
        wanted = own_mask(stock, network=name)
        assert len(np.unique(wanted)) > 1
        network = mmseg_uda.load(stock / name, device='cpu')
        assert network.classes == list('abcde') and network.palette == NAMES['PALETTE']
        assert np.array_equal(network.predict(stock / 'image.png').mask, wanted)
    assert np.array_equal(own_mask(stock, network='teacher'), (own_mask(stock) + 1) % 5)
    modes = {(stock / 'student' / name).stat().st_mode for name in ('model.pth', 'model.safetensors')}
    assert len(modes) == 1, 'both may be read by the same users'
    safe = mmseg_uda.load(stock / 'student', stock / 'student' / 'model.safetensors', device='cpu')
    assert np.array_equal(safe.predict(stock / 'image.png').mask, own_mask(stock)) and list(safe.classes) == list(
        'abcde'
    )


def test_stock_mmsegmentation_loads_a_stock_network_without_this_package(stock: Path) -> None:
    """In a process with a stand-in for compiled ops, as an environment with mmcv-full has them."""
    program = """
import sys, types, importlib.machinery, numpy as np, mmcv
ops = types.ModuleType('mmcv._ext')
ops.__spec__ = importlib.machinery.ModuleSpec('mmcv._ext', None)
ops.__file__ = '_ext.so'
ops.__getattr__ = lambda name: lambda *args: None
sys.modules['mmcv._ext'] = ops
from mmseg.apis import inference_segmentor, init_segmentor
model = init_segmentor('student/config.py', 'student/model.pth', device='cpu')
np.save('stock.npy', inference_segmentor(model, 'image.png')[0])
assert 'mmseg_uda' not in sys.modules, 'a stock network needs stock MMSegmentation alone'
"""
    done = subprocess.run([sys.executable, '-c', program], cwd=stock, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    assert 'unexpected key' not in done.stdout + done.stderr and 'missing keys' not in done.stdout + done.stderr
    assert np.array_equal(np.load(stock / 'stock.npy'), own_mask(stock))


def test_the_readme_shows_how_and_it_works(stock: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    text = (ROOT / 'README.md').read_text(encoding='utf-8')
    section = text[text.index('## Use a trained model') :]
    blocks = re.findall(r'```python\n(.*?)```', section[: section.index('\n## ', 5)], re.DOTALL)
    assert len(blocks) == 2 and 'mmseg_uda.load' in blocks[0] and 'init_segmentor' in blocks[1]
    (tmp_path / 'exported').symlink_to(stock / 'student')
    (tmp_path / 'frames').mkdir()
    for name in ('image.jpg', 'frames/0.png'):
        cv2.imwrite(str(tmp_path / name), noise(ODD))
    monkeypatch.chdir(tmp_path)
    for block in blocks:
        exec(block, {})


def test_onnx_and_torchscript_work_by_what_the_json_says(stock: Path) -> None:
    """A program that knows the files alone: OpenCV, onnxruntime, NumPy."""
    import onnxruntime

    about = json.loads((stock / 'student' / 'processing.json').read_text())
    image = cv2.imread(str(stock / 'image.png'))
    resize, norm = about['preprocessing'][1:]
    assert [step['type'] for step in about['preprocessing']] == ['LoadImageFromFile', 'Resize', 'Normalize']
    factor = min(max(resize['img_scale']) / max(image.shape[:2]), min(resize['img_scale']) / min(image.shape[:2]))
    size = [int(side * factor + 0.5) for side in image.shape[1::-1]]
    scaled = cv2.resize(image, size)[..., ::-1].astype(np.float32)
    scaled = (scaled - np.float32(norm['mean'])) / np.float32(norm['std'])
    tensor = np.ascontiguousarray(scaled.transpose(2, 0, 1)[None])
    session = onnxruntime.InferenceSession(str(stock / 'student' / 'model.onnx'))
    (scores,) = session.run([about['output']['name']], {about['input']['name']: tensor})
    script = torch.jit.load(str(stock / 'student' / 'model.ts'))(torch.from_numpy(tensor))
    assert np.allclose(script.numpy(), scores, atol=1e-3 * np.abs(scores).max())
    post = about['postprocessing']
    full = torch.nn.functional.interpolate(
        script, size=image.shape[:2], mode=post['resize']['mode'], align_corners=post['resize']['align_corners']
    )
    assert post['label'] == 'argmax' and about['input']['shape'] == ['batch', 3, 'height', 'width']
    agree = (full[0].argmax(0).numpy() == own_mask(stock)).mean()
    assert agree > 0.99, agree  # pixels on a border may fall to either side


def test_the_card_names_data_result_and_terms(stock: Path) -> None:
    student, teacher = ((stock / name / 'README.md').read_text() for name in ('student', 'teacher'))
    for text in ('DACS', 'FolderDataset', 'ResNetV1c', 'nowhere.pth', '| seed | 3 |', '43.21', 'non-commercial'):
        assert text in student, text
    assert 'not** the exported one' in teacher and 'not** the exported one' not in student
    assert 'import mmseg_uda\n\nfrom mmseg' not in student


def test_the_config_for_mmseg1(stock: Path) -> None:
    """Its shape; docs/guides/deployment.md says how it was run."""
    cfg = Config.fromfile(str(stock / 'student' / 'config_mmseg1.py'))
    assert cfg.default_scope == 'mmseg' and cfg.model.data_preprocessor.type == 'SegDataPreProcessor'
    assert cfg.model.data_preprocessor.bgr_to_rgb and len(cfg.model.data_preprocessor.mean) == 3
    assert [step.type for step in cfg.test_pipeline] == ['LoadImageFromFile', 'Resize', 'PackSegInputs']
    assert cfg.test_pipeline[1] == dict(type='Resize', scale=(40, 24), keep_ratio=True)
    assert cfg.model.decode_head.norm_cfg.type == 'BN' and cfg.model.decode_head.loss_decode.type == 'CrossEntropyLoss'
    meta = load_checkpoint_file(stock / 'student' / 'model.pth')['meta']
    assert meta['dataset_meta'] == dict(classes=meta['CLASSES'], palette=meta['PALETTE'])


def test_no_network_of_an_export_downloads_weights() -> None:
    backbone = dict(type='TIMMBackbone', model_name='resnet10t', init_cfg=dict(type='Pretrained', checkpoint='a.pth'))
    model = exported_model(dict(model=tiny_model(backbone=backbone)))
    assert model['backbone'] == dict(type='TIMMBackbone', model_name='resnet10t', pretrained=False)


def test_images_that_keep_their_size_are_not_resized_anywhere() -> None:
    inner = [
        dict(type='Resize', keep_ratio=True),
        dict(type='RandomFlip'),
        dict(type='Normalize', mean=[1.0], std=[2.0]),
    ]
    views = dict(type='MultiScaleFlipAug', img_scale=None, img_ratios=[1.0], flip=False, transforms=inner)
    steps = [dict(type='LoadImageFromFile'), views]
    assert [step['type'] for step in flat_steps(steps)] == ['LoadImageFromFile', 'Normalize']
    assert flat_steps([dict(views, img_ratios=[0.5])])[0] == dict(type='Resize', keep_ratio=True, img_ratios=[0.5])
    values = dict(model=tiny_model(backbone=dict(type='ResNet')), data=dict(test=dict(pipeline=steps)))
    kinds = [step['type'] for step in mmseg1_config(values)['test_pipeline']]
    assert kinds == ['LoadImageFromFile', 'PackSegInputs']


def test_own_networks_lora_and_what_is_refused(tmp_path: Path) -> None:
    """A transformer with low-rank updates: merged, imported by the config, loaded by stock functions."""
    backbone = dict(ENCODERS['dinov3'], patch_size=8, img_size=32, init_values=1.0)
    extra = (
        f"model['backbone'] = dict(type='TimmEncoder', out_indices=(3,), lora=dict(rank=2), **{backbone!r})\n"
        "model['decode_head'] = dict(type='VFMHead', in_channels=32, in_index=0, num_classes=5, align_corners=False)\n"
    )
    config = write_config(tmp_path, extra=extra)
    weights = save_weights(config, **NAMES)
    loaded = load_checkpoint_file(weights)
    for key, value in loaded['state_dict'].items():
        if key.endswith('.0.b'):
            value.normal_(std=0.1)
    torch.save(loaded, weights)
    common = [str(config), str(weights), '--out', str(tmp_path / 'out')]
    with pytest.raises(ExportError, match="mmseg1.*no backbone 'TimmEncoder'"):
        export([*common, '--for', 'mmseg1'])
    assert not (tmp_path / 'out').exists()
    export([*common, '--torchscript'])
    cfg = Config.fromfile(str(tmp_path / 'out' / 'config.py'))
    assert cfg.custom_imports.imports == ['mmseg_uda'] and 'lora' not in cfg.model.backbone
    keys = load_checkpoint_file(tmp_path / 'out' / 'model.pth')['state_dict']
    assert not any('parametrizations' in key for key in keys)
    cv2.imwrite(str(tmp_path / 'image.png'), noise(ODD))
    model = init_segmentor(str(tmp_path / 'out' / 'config.py'), str(tmp_path / 'out' / 'model.pth'), device='cpu')
    (found,) = inference_segmentor(model, str(tmp_path / 'image.png'))
    wanted = mmseg_uda.load(config, weights, device='cpu').predict(tmp_path / 'image.png').mask
    assert (found == wanted).mean() > 0.99
    about = json.loads((tmp_path / 'out' / 'processing.json').read_text())
    assert about['input']['shape'] == [1, 3, 24, 40]  # what the test pipeline resizes to
    with pytest.raises(ExportError, match='fixed-size'):
        write_config(tmp_path, 'plain.py', extra=FINE)
        plain = [str(tmp_path / 'plain.py'), str(save_weights(tmp_path / 'plain.py', 'plain.pth', **NAMES))]
        export([*plain, '--out', str(tmp_path / 'sized'), '--onnx', '--size', '32', '32'])


@pytest.mark.parametrize('name', ['hrda', 'eva02'])
def test_networks_of_one_size(name: str, tmp_path: Path) -> None:
    """Windows that are counted, tables of positions that are resampled."""
    torch.manual_seed(0)
    model = hrda_config(32, 5) if name == 'hrda' else vit_model(ENCODERS[name])
    size = (64, 64) if name == 'hrda' else (45, 60)
    network = build_segmentor(model).eval()
    assert has_one_size(network)
    assert write_onnx(network, tmp_path / 'model.onnx', 3, size) < 1e-3
    assert write_torchscript(network, tmp_path / 'model.ts', 3, size) < 1e-3


def test_a_graph_that_computes_something_else_is_refused(tmp_path: Path) -> None:
    """Positions are resampled for the traced size: at other sizes the graph would be wrong."""
    torch.manual_seed(0)
    network = build_segmentor(vit_model(ENCODERS['dinov3'])).eval()
    with pytest.raises(ExportError, match='model.ts.*--fixed-size'):
        write_torchscript(network, tmp_path / 'model.ts', 3, None)
    assert not (tmp_path / 'model.ts').exists()


def test_videos_and_ensembles_are_refused_by_name(tmp_path: Path) -> None:
    extra = FINE + "model['type'] = 'FlowFusedSegmentor'\n"
    config = write_config(tmp_path, extra=extra)
    weights = save_weights(config, **NAMES)
    with pytest.raises(ExportError, match='FlowFusedSegmentor looks at two frames'):
        export([str(config), str(weights), '--out', str(tmp_path / 'out'), '--onnx'])
    export([str(config), str(weights), '--out', str(tmp_path / 'out')])
    assert mmseg_uda.load(tmp_path / 'out', device='cpu').predict(noise(ODD)).mask.shape == ODD

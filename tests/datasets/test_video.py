"""Video data sets: frames before the listed ones, flow, clip-consistent transforms, gaps."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch
from torchvision.models.optical_flow import raft_small

from mmseg_uda.datasets.clips import without_own_car
from mmseg_uda.datasets.flow_files import read_flow, write_flow
from mmseg_uda.datasets.flow_sources import DISFlow, Frame, build_flow_source
from mmseg_uda.datasets.frame_names import ListRule
from mmseg_uda.datasets.inspection import check_data_set, summary
from mmseg_uda.datasets.labels import CorruptFileError
from mmseg_uda.datasets.uda_dataset import UDADataset
from mmseg_uda.datasets.video import CamVidSeqDataset, CityscapesSeqDataset, FolderVideoDataset, ViperSeqDataset
from mmseg_uda.engine.temporal import ConsistencyMeter
from mmseg_uda.ops.flow import warp_nearest
from mmseg_uda.toy.motion import exact_flow
from mmseg_uda.toy.options import WorldOptions
from mmseg_uda.toy.sequences import clips, draw_clip, write_clip
from mmseg_uda.toy.writers import make_folders

SIZE = WorldOptions(width=128, height=64)


def frame(number: int, size: tuple[int, int] = (64, 96)) -> np.ndarray:
    """A picture whose content moves 3 pixels to the right per frame."""
    noise = cv2.GaussianBlur(np.random.default_rng(0).uniform(0, 255, (size[0], 300, 3)).astype(np.uint8), (0, 0), 2)
    return np.ascontiguousarray(noise[:, 150 - 3 * number : 150 - 3 * number + size[1]])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Two videos; the second has labels of its last frame."""
    for video, numbers in (('a', (7, 8, 10, 30)), ('b', (1, 2))):
        (tmp_path / 'frames' / video).mkdir(parents=True)
        (tmp_path / 'labels' / video).mkdir(parents=True)
        for number in numbers:
            cv2.imwrite(str(tmp_path / f'frames/{video}/{number}.png'), frame(number))
    cv2.imwrite(str(tmp_path / 'labels/b/2.png'), np.ones((64, 96), np.uint8))
    return tmp_path


def video_folder(folder: Path, pipeline: Any, **options: Any) -> dict[str, Any]:
    return dict(
        type='FolderVideoDataset',
        data_root=str(folder),
        img_dir='frames',
        classes=['x', 'y'],
        pipeline=pipeline,
        **options,
    )


def test_any_folder_of_frames_is_a_video(folder: Path) -> None:
    clip = dict(type='TrainingClips', size=(96, 64), far=True, flow=dict(type='DISFlow', preset='medium'))
    dataset = UDADataset(target=video_folder(folder, [clip]))
    part = dataset.streams['target'].first
    assert [info['filename'] for info in part.img_infos][:4] == ['a/10.png', 'a/30.png', 'a/7.png', 'a/8.png']
    assert part.frame_rule.earlier('a/10', 1) == 'a/8' and part.frame_rule.earlier('a/10', 2) == 'a/7'
    assert part.first_frames() == ['a/7', 'b/1'] and part.missing_frames() == []
    samples = {dataset[i]['target_img_metas'].data['ori_filename']: dataset[i] for i in range(6)}
    first, second = samples['b/1.png'], samples['b/2.png']
    assert first['target_flow'].data.abs().max() == 0
    assert torch.equal(first['target_key_frame'].data, first['target_img'].data)
    assert [key for key in first if key.endswith('_img')] == ['target_img']  # such keys are streams
    flow = second['target_flow'].data[:, 16:-16, 16:-16]
    assert flow[0].median() == pytest.approx(-3, abs=0.2) and flow[1].abs().median() < 0.2
    gaps = FolderVideoDataset(data_root=str(folder), img_dir='frames', classes=['x', 'y'], gaps=(1, 2))
    assert gaps.first_frames() == ['a/30', 'a/7', 'b/1']
    labelled = FolderVideoDataset(data_root=str(folder), img_dir='frames', ann_dir='labels', classes=['x', 'y'])
    assert [info['filename'] for info in labelled.img_infos] == ['b/2.png']
    assert labelled.frame_rule.earlier('b/2', 1) == 'b/1'


def test_clips_are_cropped_and_mirrored_as_one(folder: Path) -> None:
    """The key frame, moved along its flow, still looks like the current one."""
    clip = dict(type='TrainingClips', size=(96, 64), crop_size=(40, 64), flip_prob=0.5, distortion=True)
    dataset = UDADataset(target=video_folder(folder, [dict(clip, flow=dict(type='DISFlow', preset='medium'))]))
    flipped = set()
    for position in range(8):
        sample = {key[7:]: value.data for key, value in dataset[position].items()}
        flipped.add(sample['img_metas']['flip'])
        assert sample['img'].shape == sample['key_frame'].shape == (3, 40, 64) and sample['flow'].shape == (2, 40, 64)
        moved = warp_nearest(sample['key_frame'][None].float(), sample['flow'][None])[0]
        inside = (slice(None), slice(8, -8), slice(14, -14))
        moved_error = (moved - sample['img'].float()).abs()[inside].mean()
        assert moved_error < 12, sample['img_metas']['ori_filename']
    assert flipped == {True, False}


def test_computed_flow_is_kept_by_content_and_options(tmp_path: Path) -> None:
    frames = Frame(frame(2)), Frame(frame(1))
    source = DISFlow(cache=str(tmp_path))
    cold = source(*frames, 'x')
    warm = source(Frame(frame(2)), Frame(frame(1)), 'other name')
    assert source.computed == 1 and np.array_equal(cold, warm)
    other = DISFlow(cache=str(tmp_path), preset='medium')
    assert other.cache_file(*frames) != source.cache_file(*frames)
    path = source.cache_file(*frames)
    path.write_bytes(b'cut off')
    assert np.array_equal(source(*frames, 'x'), cold) and source.computed == 2
    small = DISFlow(grid=(48, 32))(*frames, 'x')
    assert small.shape == (2, 32, 48)
    with pytest.raises(ValueError, match='flow.preset'):
        DISFlow(preset='slow')


def test_raft_takes_weights_of_the_user(tmp_path: Path) -> None:
    """torchvision's network on (current, earlier) in RGB: the flow that it gives, of the current frame's grid."""
    torch.manual_seed(0)
    network = raft_small(weights=None).eval()
    torch.save(network.state_dict(), tmp_path / 'raft_small.pth')
    noise = np.random.default_rng(0).integers(0, 256, (128, 144, 3), dtype=np.uint8)
    pair = Frame(np.roll(noise, 3, 1)), Frame(noise)
    source = build_flow_source(
        dict(type='RAFTFlow', weights=str(tmp_path / 'raft_small.pth'), size='small', device='cpu', cache=str(tmp_path))
    )
    flow = source(*pair, 'pair')
    with torch.no_grad():
        current, earlier = (
            torch.from_numpy(frame.img[..., ::-1].copy()).permute(2, 0, 1)[None] / 127.5 - 1 for frame in pair
        )
        expected = network(current, earlier)[-1][0]
    assert flow.shape == (2, 128, 144)
    np.testing.assert_allclose(flow, expected.numpy(), atol=0.11)  # files hold tenths of a pixel
    assert np.array_equal(source(*pair, 'pair'), flow) and source.computed == 1
    with pytest.raises(ValueError, match='multiples of 8.*set flow.grid'):
        source(Frame(noise[:, :100]), Frame(noise[:, :100]), 'pair')
    with pytest.raises(CorruptFileError, match='is no state dict of .*raft_large.*flow.size'):
        build_flow_source(dict(type='RAFTFlow', weights=str(tmp_path / 'raft_small.pth'), device='cpu'))(*pair, 'pair')
    with pytest.raises(FileNotFoundError, match='needs weights that you have downloaded'):
        build_flow_source(dict(type='RAFTFlow', weights=str(tmp_path / 'absent.pth')))


@pytest.mark.parametrize('suffix', ['.npy', '.flo', '.png'])
def test_flow_files(suffix: str, tmp_path: Path) -> None:
    flow = (np.random.default_rng(0).normal(0, 9, (2, 5, 7))).astype(np.float32)
    write_flow(tmp_path / f'a{suffix}', flow)
    tolerance = {'.npy': 0.1, '.flo': 0.0, '.png': 0.01}[suffix]
    np.testing.assert_allclose(read_flow(tmp_path / f'a{suffix}'), flow, atol=tolerance + 1e-6)
    data = (tmp_path / f'a{suffix}').read_bytes()
    (tmp_path / f'b{suffix}').write_bytes(data[: len(data) // 2])
    with pytest.raises(CorruptFileError, match=f'b{suffix}'):
        read_flow(tmp_path / f'b{suffix}')


def test_flow_files_with_other_contents_are_refused(tmp_path: Path) -> None:
    np.save(tmp_path / 'nan.npy', np.full((4, 5, 2), np.nan, np.float32))
    np.save(tmp_path / 'ids.npy', np.zeros((4, 5), np.uint8))
    np.save(tmp_path / 'float.npy', np.ones((4, 5, 2), np.float32))
    assert read_flow(tmp_path / 'float.npy').shape == (2, 4, 5)
    for name, message in (('nan', 'not finite'), ('ids', 'readable')):
        with pytest.raises(CorruptFileError, match=message):
            read_flow(tmp_path / f'{name}.npy')
    with pytest.raises(FileNotFoundError, match='none.npy'):
        read_flow(tmp_path / 'none.npy')


@pytest.fixture(scope='module')
def toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two clips of each toy video, small."""
    root = tmp_path_factory.mktemp('toy_video')
    for name, counts in (('viper_seq', dict(train=2)), ('cityscapes_seq', dict(train=2, val=1))):
        found = clips(name, counts)
        make_folders(root / name, found)
        for clip in found:
            write_clip(root / name, clip, SIZE)
    return root


def test_missing_frames_and_flows_are_named(toy: Path, tmp_path: Path) -> None:
    clip = dict(type='TrainingClips', size=(128, 64), flow=dict(type='FlowFiles', root=str(toy / 'viper_seq/flow')))
    options = dict(data_root=str(toy / 'viper_seq'), img_dir='train/img', ann_dir='train/cls')
    dataset = ViperSeqDataset(**options)
    assert len(dataset) == 2 and dataset.missing_frames() == []
    sample = UDADataset(source=dict(type='ViperSeqDataset', pipeline=[dict(clip, labels=True)], **options))[0]
    assert sample['flow'].data.shape == (2, 64, 128) and sample['key_label'].data.shape == (1, 64, 128)
    lost = toy / 'viper_seq/train/img/001/001_00009.jpg'
    kept = lost.read_bytes()
    lost.unlink()
    try:
        assert dataset.missing_frames() == ['001/001_00009.jpg']
        reports = check_data_set(dataset, 0, quiet=True)
        assert [report.name for report in reports if 'missing frame' in report.problems] == ['001/001_00009.jpg']
        assert 'missing frame: 1 files' in summary('source', dataset, reports)
        cut = UDADataset(source=dict(type='ViperSeqDataset', pipeline=[clip], **options))
        with pytest.raises(FileNotFoundError, match='001_00009.jpg.*download all frames'):
            [cut[i] for i in range(2)]
    finally:
        lost.write_bytes(kept)
    empty = dict(clip, flow=dict(type='FlowFiles', root=str(tmp_path)))
    with pytest.raises(FileNotFoundError, match='no flow file.*tools/flow.py compute'):
        UDADataset(source=dict(type='ViperSeqDataset', pipeline=[empty], **options))[0]


def test_a_flow_of_another_size_and_a_missing_label_of_the_key_frame(toy: Path, tmp_path: Path) -> None:
    options = dict(data_root=str(toy / 'viper_seq'), img_dir='train/img', ann_dir='train/cls')
    for number in ('001_0001000009', '001_0002000019'):
        halves = np.stack([np.full((32, 64), 2.0, np.float32), np.full((32, 64), -1.0, np.float32)])
        write_flow(tmp_path / f'{number}_int16_x10.npy', halves)
    clip = dict(type='TrainingClips', size=(128, 64), flow=dict(type='FlowFiles', root=str(tmp_path)), flip_prob=0)
    whole = UDADataset(source=dict(type='ViperSeqDataset', pipeline=[clip], **options))[0]
    assert whole['flow'].data.shape == (2, 32, 64)  # it is brought to the scores' grid once
    cut = UDADataset(source=dict(type='ViperSeqDataset', pipeline=[dict(clip, crop_size=(40, 64))], **options))[0]
    assert cut['flow'].data.shape == (2, 40, 64)
    torch.testing.assert_close(cut['flow'].data[:, 5, 7], torch.tensor([4.0, -2.0]))
    label = toy / 'viper_seq/train/cls/001/001_00009.png'
    kept = label.read_bytes()
    label.unlink()
    try:
        asked = UDADataset(source=dict(type='ViperSeqDataset', pipeline=[dict(clip, labels=True)], **options))
        with pytest.raises(FileNotFoundError, match='001_00009.png.*labels=False'):
            [asked[i] for i in range(2)]
    finally:
        label.write_bytes(kept)


def test_cityscapes_lists_labelled_frames_or_all(toy: Path) -> None:
    options = dict(data_root=str(toy / 'cityscapes_seq'), img_dir='leftImg8bit_sequence/train')
    names = [info['filename'] for info in CityscapesSeqDataset(**options).img_infos]
    assert [name.split('_')[-2] for name in names] == ['000019', '000019']
    assert len(CityscapesSeqDataset(every_frame=True, **options)) == 4
    assert CityscapesSeqDataset(label_space='synthia_seq12', **options).CLASSES[4] == 'pole'


def test_own_car_is_ignored_and_others_stay() -> None:
    label = np.zeros((6, 8), np.uint8)
    label[4:, 2:7] = 10
    label[0, 0] = 10
    found = without_own_car(label, 10)
    assert (found[4:, 2:7] == 255).all() and found[0, 0] == 10
    label[-1, 4] = 0
    assert without_own_car(label, 10) is label


def test_gaps_begin_new_sequences() -> None:
    rule = ListRule(['s/x_002', 's/x_030', 's/x_031', 's/x_060', 's/y_061', 't/x_062'], gaps=(2, 30), tolerance=1)
    assert {stem: rule.earlier(stem, 1) for stem in ('s/x_030', 's/x_031', 's/x_060', 's/y_061', 't/x_062')} == {
        's/x_030': None,
        's/x_031': 's/x_030',
        's/x_060': 's/x_031',
        's/y_061': None,
        't/x_062': None,
    }
    assert rule.earlier('unknown', 1) is None


def test_camvid_frames_follow_within_a_list(tmp_path: Path) -> None:
    (tmp_path / 'images').mkdir()
    names = ['0016E5_07959', '0016E5_07961', '0016E5_08020', 'Seq05VD_f00030', 'Seq05VD_f00060']
    for name in names:
        cv2.imwrite(str(tmp_path / f'images/{name}.png'), frame(0))
    (tmp_path / 'list.txt').write_text('\n'.join(names))
    dataset = CamVidSeqDataset(data_root=str(tmp_path), split='list.txt')
    assert dataset.frame_rule.earlier('0016E5_07961', 1) == '0016E5_07959'
    assert dataset.frame_rule.earlier('Seq05VD_f00060', 1) == 'Seq05VD_f00030'
    assert dataset.first_frames() == ['0016E5_07959', '0016E5_08020', 'Seq05VD_f00030']


@pytest.mark.parametrize('name', ['viper_seq', 'synthia_seq', 'cityscapes_seq'])
def test_exact_flow_of_the_toy_videos_and_what_dis_makes_of_it(name: str) -> None:
    """Labels moved along the exact flow agree far better than copied ones; those moved by DIS lie in between."""
    totals = np.zeros(4)
    for clip in clips(name, dict(train=4)):
        pictures, views = draw_clip(clip, WorldOptions())
        flow, hidden = exact_flow(views[2], -1, views[1])
        labels = [torch.from_numpy(label.astype(np.int64))[None, None] for _, label in pictures]
        frames = [Frame(np.ascontiguousarray(image[..., ::-1])) for image, _ in pictures]
        dis = DISFlow()(frames[2], frames[1], '')
        moved = [(warp_nearest(labels[1], torch.from_numpy(f)[None]) == labels[2]).float().mean() for f in (flow, dis)]
        totals += [1 - hidden.mean(), float((labels[1] == labels[2]).float().mean()), *map(float, moved)]
    landing, copied, exact, estimated = totals / 4
    assert landing > 0.93 and exact > copied + 0.03 and estimated > copied + 0.02 and exact >= estimated - 0.005


def test_a_clip_is_a_function_of_its_number() -> None:
    clip = clips('viper_seq', dict(train=2))[1]
    first, second = (draw_clip(clip, SIZE)[0] for _ in range(2))
    assert all(np.array_equal(a, b) for one, two in zip(first, second) for a, b in zip(one, two))
    assert not np.array_equal(draw_clip(clips('viper_seq', dict(train=1))[0], SIZE)[0][0][0], first[0][0])


def test_consistency_counts_visible_pixels() -> None:
    meter = ConsistencyMeter(3)
    label = np.random.default_rng(0).integers(0, 3, (6, 8))
    flow, hidden = torch.zeros(1, 2, 6, 8), torch.zeros(1, 1, 6, 8, dtype=torch.bool)
    assert meter.add(label, label, flow, hidden) == 1.0
    other = label.copy()
    other[:, :4] = (other[:, :4] + 1) % 3
    hidden[..., :4] = True
    assert meter.add(label, other, flow, hidden) == 1.0
    assert meter.add(label, other, flow, ~hidden) == 0.0
    found = meter.summary()
    assert found['temporal.agreement'] == pytest.approx(72 / 96) and found['temporal.seen'] == pytest.approx(96 / 144)

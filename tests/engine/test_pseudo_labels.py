"""Extraction of pseudo-labels: resumable, independent of batch size and of jobs, never reading ground truth; and
training on them."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mmcv import Config

from mmseg_uda.builder import build_train_model
from mmseg_uda.datasets.builder import build_training_dataset
from mmseg_uda.datasets.pseudo_label_files import PseudoLabelError, read_label
from mmseg_uda.datasets.pseudo_label_store import PseudoLabelStore
from mmseg_uda.engine import pseudo_label_extraction as pseudo_labels
from mmseg_uda.engine import pseudo_label_modes
from mmseg_uda.engine.pseudo_label_tool import main
from mmseg_uda.ops import esl
from mmseg_uda.utils.checkpoint_io import save_checkpoint_file
from tests.datasets.worlds import NORM, labelled_pipeline, make_cityscapes, make_gta
from tests.harness.methods import run_ranks
from tests.harness.synthetic import tiny_model

CLASSES = 19
IMAGES = 5


def target_pipeline() -> list[dict[str, Any]]:
    return [
        dict(type='LoadImageFromFile'),
        dict(type='ExactResize', size=(64, 32)),
        dict(type='RandomFlip', prob=0.5),
        dict(type='Normalize', **NORM),
        dict(type='DefaultFormatBundle'),
        dict(type='Collect', keys=['img']),
    ]


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """A config, a checkpoint and images whose label files do not exist."""
    root = tmp_path_factory.mktemp('world')
    make_gta(root / 'gta')
    make_cityscapes(root / 'city', IMAGES)
    shutil.move(str(root / 'city/gtFine'), str(root / 'city/hidden'))
    source = dict(
        type='GTADataset', data_root=str(root / 'gta'), img_dir='images', ann_dir='labels', pipeline=labelled_pipeline()
    )
    target = dict(
        type='CityscapesDataset',
        data_root=str(root / 'city'),
        img_dir='leftImg8bit/train',
        ann_dir='gtFine/train',
        pipeline=target_pipeline(),
    )
    cfg = Config(
        dict(
            model=tiny_model(CLASSES, 'BN'),
            data=dict(
                samples_per_gpu=1, workers_per_gpu=0, train=dict(type='UDADataset', source=source, target=target)
            ),
        )
    )
    cfg.dump(str(root / 'config.py'))
    torch.manual_seed(0)
    method = build_train_model(cfg)
    for parameter in method.student.decode_head.conv_seg.parameters():
        torch.nn.init.normal_(parameter, std=3.0)
    save_checkpoint_file(dict(meta={}, state_dict=method.state_dict()), root / 'model.pth')
    return dict(config=str(root / 'config.py'), checkpoint=str(root / 'model.pth'), root=str(root))


def extract(world: dict[str, str], out: Path, *flags: str) -> PseudoLabelStore:
    return main(['extract', world['config'], world['checkpoint'], '--out', str(out), '--device', 'cpu', *flags])


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted(folder.rglob('*.png'))}


def test_thresholds_are_those_of_all_images_together(world: dict[str, str], tmp_path: Path) -> None:
    store = extract(world, tmp_path / 'exact', '--levels', 'exact')
    assert sorted(store.keys)[0].startswith('aachen/') and len(store.keys) == IMAGES
    pairs = [pair[1:] for pair in store.stream()]
    criterion = esl.Criterion()
    for c in range(CLASSES):
        scores = torch.cat([score[label == c] for label, score in pairs]).sort().values
        expected = max(scores[round(len(scores) / 2) if len(scores) > 1 else 0].item(), 0.1) if len(scores) else 0.1
        assert store.labels['thresholds'][0][c] == pytest.approx(expected, abs=1e-12)
    for (label, score), key in zip(pairs, store.keys):
        limit = torch.tensor(store.labels['thresholds'][0], dtype=torch.float64)
        assert torch.equal(read_label(store.path('labels', key)), esl.apply_thresholds(label, score, limit, criterion))
    assert sum(store.labels['count']) == IMAGES * 32 * 64


@pytest.mark.parametrize('criterion', ['entropy', 'max_prob', 'margin'])
@pytest.mark.parametrize('levels', ['fine', 'compact'])
def test_quantised_labels_keep_a_little_more_than_exact_ones(
    world: dict[str, str], tmp_path: Path, criterion: str, levels: str
) -> None:
    exact = extract(world, tmp_path / 'exact', '--criterion', criterion, '--levels', 'exact')
    coarse = extract(world, tmp_path / 'coarse', '--criterion', criterion, '--levels', levels)
    more = np.array(coarse.labels['kept']) - np.array(exact.labels['kept'])
    assert (more >= 0).all() and (more <= np.array(coarse.labels['surplus'])).all()
    for key in exact.keys:
        kept, all_kept = read_label(exact.path('labels', key)), read_label(coarse.path('labels', key))
        assert ((kept == 255) | (kept == all_kept)).all()


def test_batch_size_jobs_and_interruptions_do_not_matter(world: dict[str, str], tmp_path: Path) -> None:
    reference = extract(world, tmp_path / 'one')
    extract(world, tmp_path / 'two', '--batch-size', '2')
    assert extract(world, tmp_path / 'jobs', '--shard', '0/2').labels is None
    assert (
        extract(world, tmp_path / 'jobs', '--shard', '1/2').labels is not None
        or extract(world, tmp_path / 'jobs').labels is not None
    )
    interrupted = tmp_path / 'interrupted'
    shutil.copytree(tmp_path / 'one', interrupted)
    for key in reference.keys[1:3]:
        (interrupted / f'predictions/{key}.png').unlink()
    (interrupted / f'scores/{reference.keys[1]}.png').write_bytes(b'half a file')
    extract(world, interrupted)
    expected = contents(tmp_path / 'one')
    for folder in ('two', 'jobs', 'interrupted'):
        assert contents(tmp_path / folder) == expected, folder
        assert PseudoLabelStore.open(tmp_path / folder).labels == reference.labels


def test_new_thresholds_without_inference_equal_a_new_extraction(world: dict[str, str], tmp_path: Path) -> None:
    flags = ['--fraction', '0.3', '--bound', '0.2', '--limit', '0.6', '--chunk', '2']
    fresh = extract(world, tmp_path / 'fresh', *flags)
    extract(world, tmp_path / 'tuned')
    tuned = main(['threshold', str(tmp_path / 'tuned'), *flags])
    assert tuned.labels == fresh.labels and len(tuned.labels['thresholds']) == 3
    assert contents(tmp_path / 'tuned') == contents(tmp_path / 'fresh')
    assert np.max(tuned.labels['thresholds']) <= 0.6


def test_folders_of_another_origin_are_refused(world: dict[str, str], tmp_path: Path) -> None:
    extract(world, tmp_path)
    with pytest.raises(PseudoLabelError, match='score entropy instead of max_prob'):
        extract(world, tmp_path, '--criterion', 'max_prob')
    other = Path(world['root']) / 'other.pth'
    state = torch.load(world['checkpoint'], weights_only=True)
    state['state_dict']['decode_head.conv_seg.bias'] += 1
    save_checkpoint_file(state, other)
    with pytest.raises(PseudoLabelError, match='model'):
        extract({**world, 'checkpoint': str(other)}, tmp_path)


def training_set(world: dict[str, str], folder: Path, stream: str = 'target', **changes: Any) -> Any:
    cfg = Config.fromfile(world['config'])
    target = Config(dict(x=cfg.data.train.target))._cfg_dict.to_dict()['x']
    target.update(changes)
    cfg.data.train[stream] = dict(type='PseudoLabelDataset', dataset=target, folder=str(folder))
    return build_training_dataset(cfg, seed=3)


@pytest.mark.parametrize('stream', ['target', 'labeled_target'])
def test_pseudo_labels_as_a_stream(world: dict[str, str], tmp_path: Path, stream: str) -> None:
    store = extract(world, tmp_path)
    dataset = training_set(world, tmp_path, stream)
    part = dataset.streams[stream].parts[0]
    seen = set()
    for position in range(2 * IMAGES):
        sample = dataset[position]
        label = sample[f'{stream}_gt_semantic_seg'].data[0]
        meta = sample[f'{stream}_img_metas'].data
        key = meta['ori_filename'][: -len('.png')]
        stored = read_label(store.path('labels', key)).long()
        assert torch.equal(label, stored.flip(1) if meta['flip'] else stored), 'stored ids pass without translation'
        seen.add(key)
    assert seen == set(store.keys)
    assert part.read_label(0).max() == 255


def test_label_maps_follow_a_random_resize(world: dict[str, str], tmp_path: Path) -> None:
    extract(world, tmp_path)
    random = [
        dict(type='LoadImageFromFile'),
        dict(type='Resize', img_scale=(64, 32), ratio_range=(0.5, 2.0)),
        dict(type='RandomCrop', crop_size=(16, 16)),
        *target_pipeline()[2:],
    ]
    sample = training_set(world, tmp_path, pipeline=random)[0]
    assert sample['target_gt_semantic_seg'].data.shape[1:] == sample['target_img'].data.shape[1:] == (16, 16)


def test_wrong_folders_are_named(world: dict[str, str], tmp_path: Path) -> None:
    with pytest.raises(PseudoLabelError, match='extract writes one'):
        training_set(world, tmp_path / 'nothing')
    extract(world, tmp_path / 'part', '--shard', '0/2')
    with pytest.raises(PseudoLabelError, match='no label maps'):
        training_set(world, tmp_path / 'part')
    extract(world, tmp_path / 'whole')
    with pytest.raises(PseudoLabelError, match='19 classes'):
        cfg = Config.fromfile(world['config'])
        cfg.data.train.source.label_space = 'city16'
        cfg.data.train.target = dict(
            type='PseudoLabelDataset',
            folder=str(tmp_path / 'whole'),
            dataset=dict(cfg.data.train.target, label_space='city16'),
        )
        build_training_dataset(cfg, seed=0)


def test_scoring_reads_labels_only_when_asked(world: dict[str, str], tmp_path: Path) -> None:
    store = extract(world, tmp_path / 'entropy')
    hidden = str(Path(world['root']) / 'city/hidden/train')
    flags = ['--config', world['config'], '--out', str(tmp_path / 'stats.json')]
    result = main(['stats', str(tmp_path / 'entropy'), *flags, '--ann-dir', hidden])[str(tmp_path / 'entropy')]
    assert 'curve' not in main(['stats', str(tmp_path / 'entropy'), *flags])[str(tmp_path / 'entropy')]
    cfg = Config.fromfile(world['config'])
    from mmseg_uda.engine.pseudo_label_report import scoring_dataset

    dataset = scoring_dataset(cfg.data.train.target, hidden)
    right = known = 0
    for i in range(IMAGES):
        label = read_label(store.path('labels', store.keys[i])).numpy()
        truth = dataset[i]['gt_semantic_seg'].data[0].numpy()
        mask = (label != 255) & (truth != 255)
        right, known = right + (label == truth)[mask].sum(), known + mask.sum()
    assert result['total_accuracy'] == pytest.approx(right / known)
    assert len(result['curve']) == 10 and all(0 <= value <= 1 for value in result['curve'])


def test_pictures(world: dict[str, str], tmp_path: Path) -> None:
    extract(world, tmp_path / 'a')
    extract(world, tmp_path / 'b', '--criterion', 'max_prob')
    written = main(
        [
            'show',
            str(tmp_path / 'a'),
            str(tmp_path / 'b'),
            '--config',
            world['config'],
            '--out',
            str(tmp_path / 'panels'),
            '--num',
            '2',
        ]
    )
    import cv2

    assert [cv2.imread(str(path)).shape for path in written] == [(32, 4 * 64, 3)] * 2


def _extract_on_rank(rank: int, world: dict[str, str], out: Path) -> int:
    return len(extract(world, out, '--test-with', 'student').missing())


def test_two_ranks_share_one_folder(world: dict[str, str], tmp_path: Path) -> None:
    extract(world, tmp_path / 'one')
    assert run_ranks(_extract_on_rank, tmp_path / 'ranks', world, tmp_path / 'two') == [0, 0]
    assert contents(tmp_path / 'two') == contents(tmp_path / 'one')


def test_padding_of_letterboxed_images_has_no_label(world: dict[str, str], tmp_path: Path) -> None:
    cfg = Config.fromfile(world['config'])
    cfg.data.train.target.pipeline[1] = dict(type='Letterbox', size=(64, 48))  # images of 40x24 fill 64x38 of it
    cfg.dump(str(tmp_path / 'letterbox.py'))
    store = extract({**world, 'config': str(tmp_path / 'letterbox.py')}, tmp_path / 'labels')
    prediction, codes = store.read(store.keys[0])
    assert prediction.shape == (48, 64)
    assert (prediction[38:] == 255).all() and (codes[38:] == esl.invalid_code(esl.FINE_LEVELS)).all()
    assert (prediction[:38] != 255).all() and sum(store.labels['count']) == IMAGES * 38 * 64
    scores = main(
        [
            'stats',
            str(tmp_path / 'labels'),
            '--config',
            str(tmp_path / 'letterbox.py'),
            '--ann-dir',
            str(Path(world['root']) / 'city/hidden/train'),
        ]
    )[str(tmp_path / 'labels')]
    assert 0 <= scores['total_accuracy'] <= 1


def test_sliding_windows_need_upsampled_scores(world: dict[str, str], tmp_path: Path) -> None:
    slide = [
        '--cfg-options',
        'model.test_cfg.mode=slide',
        'model.test_cfg.crop_size=(32,32)',
        'model.test_cfg.stride=(16,16)',
    ]
    with pytest.raises(ValueError, match="use upsample='logit'"):
        extract(world, tmp_path / 'prob', *slide)
    store = extract(world, tmp_path / 'logit', '--upsample', 'logit', *slide)
    assert store.labels['total_share'] > 0.4


def _labels(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in sorted((folder / 'labels').rglob('*.png'))}


def _stop_after(images: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make the next extraction end after some predictions."""
    left, original = [images], pseudo_labels._predictions

    def predictions(*args: Any) -> Any:
        for prediction in original(*args):
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            yield prediction

    monkeypatch.setattr(pseudo_labels, '_predictions', predictions)
    monkeypatch.setattr(pseudo_label_modes, '_SAVE_EVERY', 1)


@pytest.mark.parametrize('criterion', ['entropy', 'max_prob'])
def test_two_passes_write_what_deferred_thresholds_write(
    criterion: str, world: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wanted = extract(world, tmp_path / 'deferred', '--criterion', criterion)
    flags = ['--criterion', criterion, '--mode', 'two_pass']
    for images in (3, 4):  # in the first pass and in the second one
        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            _stop_after(images, patch)
            extract(world, tmp_path / 'passes', *flags)
    store = extract(world, tmp_path / 'passes', *flags)
    assert _labels(tmp_path / 'passes') == _labels(tmp_path / 'deferred')
    assert store.labels == wanted.labels and not (tmp_path / 'passes' / 'predictions').exists()
    first = extract(world, tmp_path / 'jobs', *flags, '--shard', '0/2')
    assert first.labels is None and len(first.missing()) == IMAGES
    assert extract(world, tmp_path / 'jobs', *flags, '--shard', '1/2').labels == wanted.labels
    with pytest.raises(PseudoLabelError, match='was begun with the criterion'):
        extract(world, tmp_path / 'passes', *flags, '--fraction', '0.3')
    with pytest.raises(PseudoLabelError, match='mode two_pass instead of deferred|mode deferred instead of two_pass'):
        extract(world, tmp_path / 'passes', '--criterion', criterion)
    with pytest.raises(PseudoLabelError, match='no predictions'):
        main(['threshold', str(tmp_path / 'passes')])


def test_prequential_labels_use_the_images_so_far(
    world: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def run(name: str, warmup: int, *flags: str) -> PseudoLabelStore:
        return extract(world, tmp_path / name, '--mode', 'prequential', '--warmup', str(warmup), *flags)

    wanted = extract(world, tmp_path / 'deferred')
    late = run('late', IMAGES, '--min-images', '0')  # all are labelled at the end
    assert _labels(tmp_path / 'late') == _labels(tmp_path / 'deferred') and late.labels == wanted.labels
    early = run('early', 1, '--min-images', '0')
    order = np.random.Generator(np.random.PCG64(0)).permutation(IMAGES)
    last = f'labels/{early.keys[order[-1]]}.png'
    assert _labels(tmp_path / 'early')[last] == _labels(tmp_path / 'deferred')[last]
    assert _labels(tmp_path / 'early') != _labels(tmp_path / 'deferred')
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        _stop_after(3, patch)
        run('stopped', 1, '--min-images', '0')
    run('stopped', 1, '--min-images', '0')
    assert _labels(tmp_path / 'stopped') == _labels(tmp_path / 'early')
    assert not any(run('few', 1, '--min-images', '100').labels['kept'])


@pytest.mark.parametrize('flags', [['--levels', 'exact'], ['--chunk', '2'], ['--soft']])
def test_modes_without_predictions_refuse_what_they_cannot_do(
    flags: list[str], world: dict[str, str], tmp_path: Path
) -> None:
    with pytest.raises(ValueError, match="needs mode='deferred'"):
        extract(world, tmp_path / 'labels', '--mode', 'two_pass', *flags)
    assert not (tmp_path / 'labels').exists()

"""The number of classes of a network follows from its data, before any file is read."""

from __future__ import annotations

from pathlib import Path

import pytest
from mmcv import Config

from mmseg_uda.builder import complete_model, with_num_classes
from mmseg_uda.datasets.class_names import class_names
from mmseg_uda.engine.environment import load_config, prepare_work_dir, work_folder
from mmseg_uda.utils.config_errors import ConfigError

GTA = dict(type='GTADataset', data_root='nowhere')
MINE = dict(type='FolderDataset', classes=['a', 'b', 'c'])


@pytest.mark.parametrize(
    'cfg, number',
    [
        (GTA, 19),
        (dict(GTA, label_space='super7'), 7),
        (dict(type='CamVidDataset'), 11),
        (dict(type='ADE20KDataset'), 150),
        (MINE, 3),
        ([MINE, MINE], 3),
        (dict(type='RepeatDataset', times=2, dataset=MINE), 3),
        (dict(type='ConcatDataset', datasets=[MINE]), 3),
        (dict(type='PseudoLabelDataset', folder='x', dataset=dict(GTA, label_space='city16')), 16),
        (dict(type='UDADataset', source=GTA, target=[GTA, GTA]), 19),
        (dict(type='UDADataset', source=None, labeled_target=MINE), 3),
        (dict(type='UDADataset'), None),
        (None, None),
    ],
)
def test_class_names_of_a_config(cfg, number) -> None:
    names = class_names(cfg)
    assert (None if names is None else len(names)) == number


def test_class_names_from_a_file(tmp_path: Path) -> None:
    (tmp_path / 'names.txt').write_text('a\nb')
    assert class_names(dict(type='CustomDataset', classes=str(tmp_path / 'names.txt'))) == ('a', 'b')


LEAF = 'configs/dacs/toy_gta_to_toy_cityscapes.py'
ROOT = Path(__file__).resolve().parents[2]


def test_the_written_config_says_the_number_of_classes(tmp_path: Path) -> None:
    """Stock tools read the copy in the work folder, and an override of the data changes it."""
    spaces = {f'data.train.{stream}.label_space': 'super7' for stream in ('source', 'target')}
    cfg = load_config(str(ROOT / LEAF), spaces)
    folder = work_folder(cfg, LEAF, str(tmp_path / 'run'))
    prepare_work_dir(cfg, LEAF)
    written = Config.fromfile(str(folder / Path(LEAF).name), import_custom_modules=False)
    assert written.model.decode_head.num_classes == 7
    explicit = load_config(str(ROOT / LEAF), {'model.decode_head.num_classes': 4})
    assert explicit.model.decode_head.num_classes == 4, 'the engine compares it with the data'


def test_heads_of_other_kinds() -> None:
    """Lists of heads are filled, heads that are made of heads with classes of their own are left alone."""
    fcn = dict(type='FCNHead')
    knet = dict(type='IterativeDecodeHead', kernel_generate_head=dict(fcn, num_classes=5), kernel_update_head=[])
    model = with_num_classes(dict(decode_head=knet, auxiliary_head=[fcn, dict(fcn, num_classes=4)]), 3)
    assert model['decode_head'] == knet
    assert [head['num_classes'] for head in model['auxiliary_head']] == [3, 4] and fcn == dict(type='FCNHead')


def test_data_that_do_not_tell_their_classes(tmp_path: Path) -> None:
    cfg = dict(model=dict(decode_head=dict(type='FCNHead')), data=dict(train=dict(type='CustomDataset')))
    with pytest.raises(ValueError, match='model.decode_head.num_classes is missing'):
        complete_model(cfg)
    Config(cfg).dump(str(tmp_path / 'mine.py'))
    with pytest.raises(ConfigError, match=r'mine\.py: model\.decode_head\.num_classes'):
        load_config(str(tmp_path / 'mine.py'))

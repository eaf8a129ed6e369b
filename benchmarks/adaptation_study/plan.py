"""The rows of the study: which config runs with which changes and seeds, in which world.

The budget of a world was chosen with source-only, DACS and the oracle alone, before any other method ran in it: the
smallest images, batch and schedule at which the known gain of DACS shows (docs/benchmarks/study.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Sequence

MAIN, OTHERS = (0, 1, 2), (0, 1)


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        name: unique; names the result files.
        title: in tables.
        config: path of the config, or of the recipe of a row with ``stages``.
        world: key of :data:`WORLDS`.
        setting: heading of the table: ``uda``, ``targets``, ``few_labels``, ``active``, ``why``.
        seeds: runs of the row.
        baseline: name of the row that it is compared with.
        options: changes of the config beside those of the world, dotted keys.
        stages: whether ``config`` is a recipe of several trainings.
        note: what is special, for the table.
    """

    name: str
    title: str
    config: str
    world: str
    setting: str = 'uda'
    seeds: Sequence[int] = OTHERS
    baseline: str = ''
    options: Mapping[str, Any] = field(default_factory=dict)
    stages: bool = False
    note: str = ''


@dataclass(frozen=True)
class World:
    """Data, image size and budget that all rows of a table share.

    Attributes:
        title: for headings.
        options: changes of every config of the world, dotted keys.
    """

    title: str
    options: Mapping[str, Any]


def _crops(streams: Sequence[str], scale: tuple[int, int], crop: tuple[int, int]) -> dict[str, Any]:
    where = [f'data.train.{name}.pipeline.0' for name in streams]
    return {f'{path}.{key}': value for path in where for key, value in (('img_scale', scale), ('crop_size', crop))}


def _schedule(iterations: int, evaluations: int = 5) -> dict[str, Any]:
    interval = iterations // evaluations
    return {
        'runner.max_iters': iterations,
        'checkpoint_config.interval': interval,
        'checkpoint_config.max_keep_ckpts': 1,
        'evaluation.interval': interval,
        'data.workers_per_gpu': 0,
        'log_config.interval': 50,
    }


CAMVID_SCALE, CAMVID_CROP = (360, 270), (192, 192)
WORLDS = {
    'camvid': World(
        'CamVid: day to dusk',
        {**_schedule(2000), 'data.val.pipeline.1.img_scale': CAMVID_SCALE, 'data.samples_per_gpu': 4},
    ),
    'toy': World('Toy world: rendered game to European city', _schedule(1500)),
}


def options_of(row: Row) -> dict[str, Any]:
    """All changes of a row's config."""
    options = dict(WORLDS[row.world].options)
    if row.world == 'camvid' and not row.stages:
        streams = ('source',) if row.name.endswith(('source_only', 'oracle')) else ('source', 'target')
        options.update(_crops(streams, CAMVID_SCALE, CAMVID_CROP))
    return {**options, **row.options}


_CAMVID = 'camvid_day_to_dusk_segformer_efficientnet_lite0.py'
_TOY = 'toy_gta_to_toy_cityscapes.py'


def _pair(method: str, title: str, seeds: Sequence[int], baseline: str = 'source_only', **camvid: Any) -> list[Row]:
    """A method in both worlds."""
    return [
        Row(
            f'camvid_{method}',
            title,
            f'configs/{method}/{_CAMVID}',
            'camvid',
            seeds=seeds,
            baseline=f'camvid_{baseline}',
            options=camvid,
        ),
        Row(f'toy_{method}', title, f'configs/{method}/{_TOY}', 'toy', seeds=seeds, baseline=f'toy_{baseline}'),
    ]


ROWS: list[Row] = [
    Row(
        'camvid_source_only',
        'source-only',
        'configs/source_only/camvid_day_segformer_efficientnet_lite0.py',
        'camvid',
        seeds=MAIN,
    ),
    Row('toy_source_only', 'source-only', f'configs/source_only/{_TOY}', 'toy', seeds=MAIN),
    *_pair('dacs', 'DACS', MAIN),
    Row(
        'camvid_oracle',
        'oracle',
        'configs/source_only/camvid_dusk_oracle_segformer_efficientnet_lite0.py',
        'camvid',
        seeds=MAIN,
        baseline='camvid_source_only',
    ),
    Row(
        'toy_oracle',
        'oracle',
        'configs/source_only/toy_cityscapes_oracle.py',
        'toy',
        seeds=MAIN,
        baseline='toy_source_only',
    ),
    *_pair('mic', 'MIC', MAIN, 'dacs'),
    *_pair('quadmix', 'QuadMix', MAIN, 'mic', **{'data.train.class_patches.scale': CAMVID_SCALE}),
    *_pair('minent', 'MinEnt', OTHERS),
    *_pair('advent', 'AdvEnt', OTHERS),
    *_pair('daformer', 'DAFormer', OTHERS, 'dacs'),
]


def rows(names: Sequence[str] = ()) -> list[Row]:
    """All rows, or those whose names contain one of ``names``."""
    return [row for row in ROWS if not names or any(name in row.name for name in names)]

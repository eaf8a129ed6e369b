"""Rows and worlds of the study: what a run trains, and the data, image size and budget that a table shares.

The budget of a world was chosen with source-only, DACS and the oracle alone, before any other method ran in it: the
smallest images, batch and schedule at which the known gain of DACS shows (docs/benchmarks/study.md).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Mapping, Optional, Sequence

THREE, TWO, ONE = (0, 1, 2), (0, 1), (0,)


@dataclass(frozen=True)
class Row:
    """One line of a table.

    Attributes:
        name: unique; names the result files.
        title: in tables.
        config: path of the config, or of the recipe of a row with ``stages``.
        world: key of :data:`WORLDS`.
        setting: heading of the table: ``uda``, ``large``, ``targets``, ``three_targets``, ``few_labels``, ``active``,
            ``why``.
        seeds: runs of the row.
        baseline: name of the row that it is compared with.
        options: changes of the config beside those of the world, dotted keys.
        stages: of a recipe: changes by name of the training stage, whose ``runner.max_iters`` is its budget.
        labels: of a recipe: changes of the stages that make pseudo-labels.
        statistics: config whose ``data.train.target`` are the images for target statistics; empty: the world's.
        begins_with: name of a row whose recipe has the same first training: where that is finished, it is taken over.
        rounds: whether the row buys labels between trainings (``tools/active_loop.py``).
        note: what is special, for the table.
    """

    name: str
    title: str
    config: str
    world: str
    setting: str = 'uda'
    seeds: Sequence[int] = ONE
    baseline: str = ''
    options: Mapping[str, Any] = field(default_factory=dict)
    stages: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)
    statistics: str = ''
    begins_with: str = ''
    rounds: bool = False
    note: str = ''


@dataclass(frozen=True)
class World:
    """Data, image size and budget that all rows of a table share.

    Attributes:
        title: for headings.
        target: config whose ``data.train.target`` are the images for target statistics.
        iterations: of one training.
        options: changes of every config of the world, dotted keys.
        crops: (image scale (width, height), crop) of the training streams; None: the config's.
        drawn: whether the images are ours, so that pictures may show them.
        truth: folder of the labels of the target's training images, below the data root, to score pseudo-labels with.
    """

    title: str
    target: str
    iterations: int
    options: Mapping[str, Any] = field(default_factory=dict)
    crops: Optional[tuple[tuple[int, int], tuple[int, int]]] = None
    drawn: bool = False
    truth: str = 'labels'


def schedule(iterations: int, evaluations: int = 5) -> dict[str, Any]:
    """Length, evaluations and checkpoints of a training, dotted keys."""
    interval = iterations // evaluations
    return {
        'runner.max_iters': iterations,
        'checkpoint_config.interval': interval,
        'checkpoint_config.max_keep_ckpts': 1,
        'evaluation.interval': interval,
        'evaluation.save_best': None,
        'data.workers_per_gpu': 0,
        'log_config.interval': 50,
    }


CAMVID = 'camvid_day_to_dusk_segformer_efficientnet_lite0.py'
TOY = 'toy_gta_to_toy_cityscapes.py'
CAMVID_SCALE, CAMVID_CROP = (360, 270), (192, 192)
WORLDS = {
    'camvid': World(
        'CamVid: day to dusk',
        f'configs/dacs/{CAMVID}',
        2000,
        {'data.val.pipeline.1.img_scale': CAMVID_SCALE, 'data.samples_per_gpu': 4},
        (CAMVID_SCALE, CAMVID_CROP),
    ),
    'toy': World(
        'Toy world: rendered game to European city', f'configs/dacs/{TOY}', 1500, drawn=True, truth='gtFine/train'
    ),
}


def crops_of(cfg: Mapping[str, Any], world: World) -> dict[str, Any]:
    """Options that give every stream of a config with ``TrainingCrops`` the world's image and crop size."""
    if world.crops is None:
        return {}
    options = {}
    for name in ('source', 'target', 'labeled_target'):
        steps = (cfg['data']['train'].get(name) or {}).get('pipeline') or []
        for i, step in enumerate(steps):
            if step['type'] == 'TrainingCrops':
                for key, value in zip(('img_scale', 'crop_size'), world.crops):
                    options[f'data.train.{name}.pipeline.{i}.{key}'] = value
    return options


def options_of(row: Row, stage: Optional[Mapping[str, Any]] = None) -> dict[str, Any]:
    """Changes of a row's config, or of a stage of its recipe, beside the world's crops."""
    world = WORLDS[row.world]
    return {**schedule(world.iterations), **world.options, **row.options, **(stage or {})}


def iterations_of(row: Row) -> int:
    """Iterations of all trainings of a row."""
    if row.stages:
        return sum(options_of(row, stage)['runner.max_iters'] for stage in row.stages.values())
    return int(options_of(row)['runner.max_iters'])

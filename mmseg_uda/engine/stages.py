"""Recipes of several stages: train, make pseudo-labels, train again ... (``tools/run_stages.py``).

A recipe is a config with a list of stages, which run in order, each in a folder ``<work dir>/<number>_<name>``::

    stages = [
        dict(name='advent', type='train', config='../advent/gta2cs.py'),
        dict(name='labels', type='pseudo_labels', config='../advent/gta2cs.py', checkpoint='{advent}/latest.pth',
             criterion='entropy'),
        dict(name='retrain', type='train', config='gta2cs_retrain.py',
             options={'data.train.target.folder': '{labels}'}),
    ]

``options`` change entries of the stage's config, with dotted keys or nested; ``{name}`` stands for the folder of an
earlier stage; paths of configs are relative to the recipe, and ``{setting}`` in them stands for the recipe's own
entry ``setting``. A finished stage leaves ``stage.json`` and is not run again; a stage that was cut short goes on
where it stopped. Further types of stages are functions registered in :data:`STAGES`.
"""

from __future__ import annotations

import gc
import hashlib
import json
import logging
import shutil
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import torch
from mmcv import Config
from mmcv.runner import get_dist_info
from mmcv.utils import Registry
from mmseg.utils import get_root_logger

from ..ops.esl import Criterion
from ..options.common import DEFAULT_SEED
from ..options.run_stages import parse_args
from ..utils.checkpoint_io import plain, replacing
from ..utils.config import check_options, nearest
from ..utils.json_files import read_record
from . import environment
from .checkpoints import find_resumable
from .distributed import barrier
from .pseudo_label_extraction import ExtractionOptions, extract
from .pseudo_label_tool import LEVELS, report
from .train import train
from .work_folder import owned

#: functions (options of the stage, folder, context) -> None by type
STAGES = Registry('stage')
MARKER = 'stage.json'
GO_ON = 'start the same command again'
_COMMON = ('name', 'type', 'config', 'options')


class StageError(ValueError):
    """A recipe that cannot run; the message names the stage and the remedy."""


@dataclass
class StageContext:
    """What a stage needs besides its own options.

    Attributes:
        recipe: path of the recipe.
        device: of this process.
        logger: goes to the console and the recipe's log.
        seed: seed of every training.
        validate: evaluate during training.
        train_options: config entries (dotted keys) of all training stages.
        folders: folders of the earlier stages by name.
    """

    recipe: Path
    device: torch.device
    logger: logging.Logger
    seed: int = DEFAULT_SEED
    validate: bool = True
    train_options: dict[str, Any] = field(default_factory=dict)
    folders: dict[str, Path] = field(default_factory=dict)

    def config(self, stage: Mapping[str, Any]) -> Config:
        """The config of a stage with its ``options``."""
        options = dotted(stage.get('options') or {})
        if stage['type'] == 'train':
            options = {**self.train_options, **options}
        return environment.load_config(str(self.recipe.parent / stage['config']), options)


def dotted(options: Mapping[str, Any], prefix: str = '') -> dict[str, Any]:
    """Nested config entries under dotted keys, so that entries of several sources add up: ``{'a': {'b': 1}}`` ->
    ``{'a.b': 1}``."""
    flat: dict[str, Any] = {}
    for key, value in options.items():
        flat.update(
            dotted(value, f'{prefix}{key}.') if isinstance(value, Mapping) and value else {f'{prefix}{key}': value}
        )
    return flat


@STAGES.register_module(name='train')
def train_stage(stage: Mapping[str, Any], folder: Path, context: StageContext) -> None:
    """Train ``config``; goes on from the newest readable checkpoint of the folder.

    ``load_from`` starts from weights; ``resume_from`` continues the run of an earlier stage (with its optimisers and
    its iteration, so that ``runner.max_iters`` counts from the start of that run).
    """
    check_options(stage, (*_COMMON, 'load_from', 'resume_from'), f"stage '{stage['name']}' (train)")
    cfg = context.config(stage)
    cfg.seed = context.seed
    if stage.get('load_from'):
        cfg.load_from = _one_file(stage['load_from'], stage)
    cfg.work_dir = str(folder)
    with owned(folder):
        _train_in(folder, cfg, stage, context)


def _train_in(folder: Path, cfg: Config, stage: Mapping[str, Any], context: StageContext) -> None:
    timestamp, _ = environment.prepare_work_dir(cfg, stage['config'])
    found = find_resumable(folder, context.logger)
    before = _one_file(stage['resume_from'], stage) if stage.get('resume_from') else None
    cfg.resume_from = str(found) if found else before
    handler = logging.FileHandler(folder / f'{timestamp}.log')
    context.logger.addHandler(handler)
    try:
        train(
            cfg,
            context.device,
            config_name=stage['config'],
            validate=context.validate,
            timestamp=timestamp,
            logger=context.logger,
            go_on=GO_ON,
            resume_changed=found is None,  # a stage may go on from an earlier one with other data
        )
    finally:
        context.logger.removeHandler(handler)
        handler.close()


@STAGES.register_module(name='pseudo_labels')
def pseudo_label_stage(stage: Mapping[str, Any], folder: Path, context: StageContext) -> None:
    """Write pseudo-labels with the model of ``config`` and ``checkpoint``; options as in ``tools/pseudo_labels.py
    extract``."""
    options = {key: value for key, value in stage.items() if key not in (*_COMMON, 'checkpoint')}
    valid = (
        'criterion',
        'fraction',
        'bound',
        'limit',
        'chunk',
        'levels',
        'upsample',
        'data',
        'batch_size',
        'precision',
        'test_with',
        'soft',
        'mode',
        'prequential',
    )
    check_options(options, valid, f"stage '{stage['name']}' (pseudo_labels)")
    criterion = Criterion(
        options.get('criterion', 'entropy'), options.get('fraction', 0.5), options.get('bound'), options.get('limit')
    )
    extraction = ExtractionOptions(
        criterion,
        LEVELS[options.get('levels', 'fine')],
        where=options.get('data', 'data.train.target'),
        **{
            key: options[key]
            for key in ('upsample', 'batch_size', 'precision', 'test_with', 'chunk', 'soft', 'mode', 'prequential')
            if key in options
        },
    )
    checkpoint = _one_file(stage['checkpoint'], stage)
    store = extract(context.config(stage), checkpoint, folder, extraction, context.device, context.logger)
    if get_dist_info()[0] == 0:
        report(store)


def _one_file(pattern: str, stage: Mapping[str, Any]) -> str:
    """The newest file that a path with wild cards names (``{advent}/best_mIoU_*.pth``)."""
    path = Path(pattern)
    found = sorted(path.parent.glob(path.name), key=lambda file: file.stat().st_mtime)
    if not found:
        raise StageError(f"stage '{stage['name']}' needs the file {pattern}, which does not exist")
    return str(found[-1])


# ---- running a recipe
# -----------------------------------------------------------------------------------------------------
def recipe_stages(cfg: Config) -> list[dict[str, Any]]:
    """The stages of a recipe as plain dicts, with its ``setting`` in the names of their configs.

    Raises:
        StageError: a config's name needs a ``setting`` that the recipe lacks.
    """
    stages = Config(dict(x=cfg.get('stages', [])))._cfg_dict.to_dict()['x']
    for stage in stages:
        if '{setting}' in stage.get('config', ''):
            if 'setting' not in cfg:
                raise StageError(
                    f"{cfg.filename}: stage '{stage.get('name')}' names {stage['config']}; add setting = '...' to "
                    'the recipe'
                )
            stage['config'] = stage['config'].replace('{setting}', cfg.setting)
    return stages


def check_recipe(stages: Sequence[Mapping[str, Any]], recipe: Path) -> None:
    """Find out before any training what cannot work.

    Raises:
        StageError: a missing key, an unknown type, a name that occurs twice or is used before its stage, or a missing
            config.
    """
    names: list[str] = []
    for number, stage in enumerate(stages):
        missing = [key for key in ('name', 'type', 'config') if key not in stage]
        if missing:
            raise StageError(f"{recipe}: stage {number + 1} has no '{missing[0]}'")
        if stage['type'] not in STAGES.module_dict:
            hint = nearest(stage['type'], STAGES.module_dict)
            raise StageError(f"{recipe}: stage '{stage['name']}' has the unknown type '{stage['type']}': {hint}")
        if stage['name'] in names:
            raise StageError(f"{recipe}: two stages are called '{stage['name']}'")
        if not (recipe.parent / stage['config']).is_file():
            raise StageError(
                f"{recipe}: stage '{stage['name']}' needs the config {recipe.parent / stage['config']}, which "
                'does not exist'
            )
        try:
            _filled(dict(stage), {name: Path(name) for name in names})
        except KeyError as error:
            text = (
                f"stage '{stage['name']}' refers to {{{error.args[0]}}}, which is no earlier stage ({', '.join(names)})"
            )
            raise StageError(f'{recipe}: {text}') from None
        names.append(stage['name'])
    if not names:
        raise StageError(f'{recipe} has no stages = [...]')


def _filled(value: Any, folders: Mapping[str, Path]) -> Any:
    """``value`` with ``{name}`` replaced by folders in all its strings."""
    if isinstance(value, str):
        return value.format_map(folders)
    if isinstance(value, Mapping):
        return {key: _filled(item, folders) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_filled(item, folders) for item in value]
    return value


def run_stages(
    stages: Sequence[Mapping[str, Any]], work_dir: Path, context: StageContext, restart_from: Optional[str] = None
) -> dict[str, Path]:
    """Run the stages that are not finished, in order.

    Args:
        stages: see the module's text.
        work_dir: folder of the recipe.
        context: shared by the stages.
        restart_from: delete the folders of this stage and all later ones first.

    Returns:
        folders of the stages by name.

    Raises:
        StageError: the recipe is wrong, or a finished stage was run with other settings.
    """
    check_recipe(stages, context.recipe)
    names = [stage['name'] for stage in stages]
    if restart_from is not None and restart_from not in names:
        raise StageError(f"no stage is called '{restart_from}': {nearest(restart_from, names)}")
    before, restart = '', False
    for number, original in enumerate(stages):
        folder = work_dir / f'{number + 1}_{original["name"]}'
        stage = _filled(dict(original), context.folders)
        restart = restart or original['name'] == restart_from
        if restart and get_dist_info()[0] == 0:
            shutil.rmtree(folder, ignore_errors=True)
        barrier()
        before = _fingerprint(original, context, before)
        if not _finished(folder, before, original['name']):
            context.logger.info(
                'stage %d of %d: %s (%s) in %s', number + 1, len(stages), stage['name'], stage['type'], folder
            )
            folder.mkdir(parents=True, exist_ok=True)
            start = time.time()
            STAGES.get(stage['type'])(stage, folder, context)
            gc.collect()
            barrier()
            if get_dist_info()[0] == 0:
                _mark(folder, dict(fingerprint=before, stage=stage, seconds=round(time.time() - start, 1)))
            barrier()
        else:
            context.logger.info('stage %d of %d: %s is finished', number + 1, len(stages), stage['name'])
        context.folders[stage['name']] = folder
    return dict(context.folders)


def _fingerprint(stage: Mapping[str, Any], context: StageContext, before: str) -> str:
    """Hash of everything that decides the result of a stage: its options, its config, and the stages before it."""
    config = plain(context.config(stage)._cfg_dict)  # pretty-printing would take seconds
    text = json.dumps([plain(stage), config, context.seed, before], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _finished(folder: Path, fingerprint: str, name: str) -> bool:
    marker = folder / MARKER
    if not marker.is_file():
        return False
    record = read_record(marker, ('fingerprint',), f'--restart-from {name} runs it and all later stages again')
    if record['fingerprint'] != fingerprint:
        raise StageError(
            f"stage '{name}' in {folder} was finished with other settings (its own or those of an earlier stage): "
            'give another '
            f'--work-dir, or --restart-from {name} to run it and all later stages again'
        )
    return True


def _mark(folder: Path, values: Mapping[str, Any]) -> None:
    for left in folder.glob(f'.{MARKER}.*.tmp'):  # of a process that was killed here
        left.unlink()
    with replacing(folder / MARKER) as temporary:
        temporary.write_text(json.dumps(plain(values), indent=1), encoding='utf-8')


def main(argv: Optional[Sequence[str]] = None) -> dict[str, Path]:
    """Run ``tools/run_stages.py``."""
    args = parse_args(argv)
    environment.apply_common_arguments(args)
    cfg = environment.load_config(args.config, args.cfg_options)
    device = environment.start_processes(args.launcher, cfg.get('dist_params'), args.device, args.gpu_id)
    work_dir = Path(args.work_dir or Path('work_dirs') / Path(args.config).stem)
    work_dir.mkdir(parents=True, exist_ok=True)
    logger = get_root_logger(log_file=str(work_dir / 'stages.log'), log_level=cfg.get('log_level', 'INFO'))
    context = StageContext(
        Path(args.config), device, logger, args.seed, not args.no_validate, dict(args.train_options or {})
    )
    with owned(work_dir):
        return run_stages(recipe_stages(cfg), work_dir, context, args.restart_from)

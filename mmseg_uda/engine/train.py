"""Training entry point: from a config to a trained checkpoint (``tools/train.py``)."""

from __future__ import annotations

import argparse
import copy
import logging
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import mmcv
import torch
from mmcv import Config
from mmcv.runner import HOOKS, BaseRunner, Hook
from mmseg import __version__ as mmseg_version
from mmseg.utils import get_root_logger

from ..builder import build_train_model
from ..datasets.builder import build_training_dataset
from ..datasets.inspection import training_findings
from ..datasets.splits import check_held_out
from ..datasets.wrappers import plain_sets
from ..methods.base import UDASegmentor
from ..options.common import DEFAULT_SEED
from ..options.train import parse_args
from ..utils.checkpoint_io import plain
from ..utils.config_errors import check_top_level, naming_config
from ..utils.config_text import config_text
from ..utils.rng import set_random_seed
from . import environment
from .checkpoints import find_resumable
from .config_checks import check_class_lists, check_counting, check_hooks, report_phases
from .data import build_train_loader
from .data_checks import check_bands, check_evaluation, check_ignored_rows, check_sets, report_margins
from .distributed import broadcast_module, check_same_parameters
from .evaluation import UDAEvalHook
from .evaluation_sets import named_test_sets
from .hooks import NamedLrUpdaterHook
from .identity import check_ranks, check_resumed, code_version, data_lists, flat, settings
from .live import LiveHook
from .network_checks import check_heads, report_own_training
from .optimizers import as_mmcv, build_optimizers
from .placing import EngineOptions, place, spread_memory
from .runner import UDARunner
from .start_screen import announce, device_text
from .step import StepOptions, TrainStep
from .target_statistics import TargetImages, TargetStatisticsHook
from .terminal import note, training_logger
from .views_hook import ViewsHook, views_options
from .work_folder import owned

#: priority of hooks that look at a finished iteration: after checkpoints, before the evaluation clears what was logged
LOOKING_ON = 65


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run ``tools/train.py``."""
    args = parse_args(argv)
    environment.apply_common_arguments(args)
    cfg = environment.load_config(args.config, args.cfg_options)
    for key in ('load_from', 'resume_from'):
        if getattr(args, key) is not None:
            cfg[key] = getattr(args, key)
    check_top_level(cfg, args.config)
    device = environment.start_processes(args.launcher, cfg.get('dist_params'), args.device, args.gpu_id)
    cfg.seed = (
        args.seed if args.seed is not None else (cfg.get('seed') if cfg.get('seed') is not None else DEFAULT_SEED)
    )
    check_ranks({**settings(cfg), **code_version(), **dict(flat(_shared_arguments(args), 'command line'))})
    folder = environment.work_folder(cfg, args.config, args.work_dir)
    with owned(folder):
        _train_in(folder, cfg, args, device)


def _shared_arguments(args: argparse.Namespace) -> dict[str, Any]:
    """The arguments that all ranks have to be given alike."""
    own = ('config', 'cfg_options', 'seed', 'local_rank', 'gpu_id', 'work_dir')
    return {key: plain(value) for key, value in vars(args).items() if key not in own}


def _train_in(folder: Path, cfg: Config, args: argparse.Namespace, device: torch.device) -> None:
    """Train in a work folder that belongs to this run."""
    timestamp, text = environment.prepare_work_dir(cfg, args.config)
    logger = training_logger(folder / f'{timestamp}.log', cfg.get('log_level', 'INFO'))
    environment_info = environment.environment_text()
    note(logger, 'environment:\n%s', environment_info)
    note(logger, 'config:\n%s', text)
    note(logger, 'seed: %d, deterministic: %s', cfg.seed, args.deterministic)
    torch.backends.cudnn.benchmark = bool(cfg.get('cudnn_benchmark', False)) and not args.deterministic
    if args.deterministic:
        torch.use_deterministic_algorithms(True, warn_only=True)
    if args.auto_resume and not cfg.get('resume_from'):
        found = find_resumable(folder, logger)
        cfg.resume_from = str(found) if found else None
    meta = dict(
        env_info=environment_info,
        seed=cfg.seed,
        exp_name=Path(args.config).name,
        mmseg_version=mmseg_version,
    )
    train(
        cfg,
        device,
        config_name=args.config,
        validate=not args.no_validate,
        timestamp=timestamp,
        meta=meta,
        logger=logger,
        resume_changed=args.resume_changed,
    )


def train(
    cfg: Config,
    device: torch.device,
    config_name: str = 'config',
    validate: bool = True,
    timestamp: Optional[str] = None,
    meta: Optional[dict[str, Any]] = None,
    logger: Optional[logging.Logger] = None,
    go_on: Optional[str] = None,
    resume_changed: bool = False,
) -> UDARunner:
    """Build everything that a config describes and train.

    Args:
        cfg: the whole config; ``cfg.work_dir`` is set.
        device: device of this process.
        config_name: named in messages about the config.
        validate: evaluate as ``cfg.evaluation`` says.
        go_on: what a user has to do after a stop signal, for the message.
        resume_changed: go on from ``cfg.resume_from`` although that was another run (see
            :func:`~mmseg_uda.engine.identity.check_resumed`).

    Returns:
        The runner after its last iteration.

    Raises:
        ConfigError: anything in the config that cannot work, before the first iteration.
        RankError: the ranks of the job do not run the same.
        CheckpointError: the run to go on from was another one.
        LockedError: another run works in the folder.
    """
    with owned(Path(cfg.work_dir)):
        return _train(cfg, device, config_name, validate, timestamp, meta, logger, go_on, resume_changed)


def _train(
    cfg: Config,
    device: torch.device,
    config_name: str,
    validate: bool,
    timestamp: Optional[str],
    meta: Optional[dict[str, Any]],
    logger: Optional[logging.Logger],
    go_on: Optional[str],
    resume_changed: bool,
) -> UDARunner:
    check_ranks({**settings(cfg), **code_version()})
    logger = logger or get_root_logger(log_level=cfg.get('log_level', 'INFO'))
    with naming_config(config_name):
        check_counting(cfg)
    environment.prepare_data(cfg)
    runner, dataset = build_runner(cfg, device, config_name, logger, meta)
    lists = runner.meta['data_lists']
    check_ranks(lists)
    runner.timestamp = timestamp or runner.timestamp
    runner.go_on = go_on or runner.go_on
    with naming_config(config_name):
        register_hooks(runner, cfg, device, validate)
        evaluation = {
            name if i == 0 else f'{name}[{i}]': plain
            for hook in runner.hooks
            if isinstance(hook, UDAEvalHook)
            for name, tested in hook.datasets.items()
            for i, plain in enumerate(plain_sets(tested))
        }
        check_held_out(dataset, evaluation)
        check_sets(dataset, evaluation)
        if runner.rank == 0:
            for line in training_findings(dataset, evaluation):
                logger.warning('data: %s', line)
        check_bands(runner.model, dataset)
        for hook in runner.hooks:
            if isinstance(hook, UDAEvalHook):
                check_evaluation(hook, runner.model, runner.max_iters, logger)
        report_own_training(runner.model, logger)
        report_phases(runner.model, runner.max_iters, logger)
        report_margins(runner.model, dataset, logger)
        check_hooks(runner.hooks, logger)
    if cfg.get('resume_from'):
        source = cfg.resume_from
        runner.resume(source, check=lambda old: check_resumed(old, cfg, lists, source, logger, resume_changed))
    elif cfg.get('load_from'):
        runner.load_checkpoint(cfg.load_from)
    if runner.world_size > 1:
        broadcast_module(runner.model)
    loader = build_train_loader(dataset, cfg.data, runner.step.options.cumulative_iters, runner.iter)
    announce(runner, cfg, dataset, device)
    try:
        runner.run([loader], [tuple(flow) for flow in cfg.get('workflow', [('train', 1)])])
    finally:
        for hook in runner.hooks:
            if isinstance(hook, LiveHook):
                hook.close()
    return runner


def build_runner(
    cfg: Config, device: torch.device, config_name: str, logger: logging.Logger, meta: Optional[dict[str, Any]] = None
) -> tuple[UDARunner, Any]:
    """The runner (model, optimisers, step) and the training data set of a config."""
    seed = int(cfg.get('seed') or DEFAULT_SEED)
    with naming_config(config_name):
        spread_memory(cfg)
        dataset = build_training_dataset(cfg, seed)
        check_class_lists(dataset.CLASSES, cfg)
        method = build_method(cfg, seed, device, dataset)
        options = StepOptions.from_config(cfg.get('optimizer_config'), cfg.get('fp16'))
        optimizers = build_optimizers(cfg.optimizer, method.networks())
        step = TrainStep(method, optimizers, options, seed)
    check_same_parameters([p for parameters in step.parameters.values() for p in parameters])
    meta = dict(
        meta or {},
        seed=seed,
        config=config_text(cfg),
        data_lists=data_lists(dataset),
        code=code_version(),
        device=device_text(device),
        CLASSES=dataset.CLASSES,
        PALETTE=dataset.PALETTE,
    )
    max_iters = cfg.runner.get('max_iters')
    with naming_config(config_name):
        if not isinstance(max_iters, int) or max_iters < 1:
            raise ValueError(f'runner.max_iters must be a positive number of iterations, got {max_iters}')
    runner = UDARunner(
        model=method,
        optimizer=as_mmcv(optimizers),
        work_dir=str(cfg.work_dir),
        logger=logger,
        meta=meta,
        max_iters=max_iters,
        step=step,
        flush_interval=(cfg.get('log_config') or {}).get('interval', 50),
        channels_last=EngineOptions.from_config(cfg.get('engine')).channels_last,
    )
    return runner, dataset


def build_method(cfg: Config, seed: int, device: torch.device, dataset: Any = None) -> UDASegmentor:
    """Build, initialise and place the method; check that the data offer its streams.

    Raises:
        ValueError: a stream that the method needs is missing, or class counts differ.
    """
    options = EngineOptions.from_config(cfg.get('engine'))
    set_random_seed(seed)
    method = build_train_model(cfg, seed)
    if dataset is not None:
        missing = [name for name in method.required_streams if name not in dataset.stream_names]
        if missing:
            wanted = ', '.join(f'{name}=...' for name in method.required_streams)
            raise ValueError(
                f"{method.title} needs the stream '{missing[0]}', but data.train offers "
                f'{list(dataset.stream_names)}: give '
                f"data.train = dict(type='UDADataset', {wanted})"
            )
        check_heads(method, dataset.CLASSES)
        check_ignored_rows(method, dataset)
        method.CLASSES, method.PALETTE = dataset.CLASSES, dataset.PALETTE
    method.init_weights()
    return place(method, device, options)


def register_hooks(runner: UDARunner, cfg: Config, device: torch.device, validate: bool) -> None:
    """Register mmcv's hooks as a config describes them, and the evaluation."""
    lr_config = copy.deepcopy(cfg.get('lr_config'))
    if lr_config is not None and 'policy' not in lr_config:
        lr_config = NamedLrUpdaterHook.from_config(lr_config, runner.optimizer)
    elif lr_config is not None:
        lr_config.setdefault('by_epoch', False)
    log_config = copy.deepcopy(cfg.get('log_config'))
    for info in (log_config or {}).get('hooks', []):
        info.setdefault('by_epoch', False)
    checkpoint_config = copy.deepcopy(cfg.get('checkpoint_config') or dict(interval=4000, max_keep_ckpts=2))
    checkpoint_config.setdefault('by_epoch', False)
    BaseRunner.register_training_hooks(
        runner, lr_config, None, None, log_config, copy.deepcopy(cfg.get('momentum_config'))
    )
    if runner.model.running_statistics == 'target':
        intervals = [checkpoint_config['interval'], (cfg.get('evaluation') or {}).get('interval', 0)]
        runner.register_hook(TargetStatisticsHook(TargetImages(cfg), intervals, device), 55)
    # after custom hooks: what they change in an iteration belongs into its checkpoint
    runner.register_hook(mmcv.build_from_cfg(dict(dict(type='CheckpointHook'), **checkpoint_config), HOOKS), 60)
    if validate and cfg.data.get('val') is not None and cfg.get('evaluation') is not None:
        options = copy.deepcopy(dict(cfg.evaluation))
        workers = int(cfg.data.get('workers_per_gpu', 2))
        runner.register_hook(
            UDAEvalHook(named_test_sets(cfg, 'val'), device, workers, runner.step.options.precision, **options),
            priority='LOW',
        )
    for hook_cfg in cfg.get('custom_hooks') or []:
        hook, priority = _custom_hook(hook_cfg)
        if hasattr(hook, 'configure'):  # hooks of this package that read further parts of the config
            hook.configure(cfg)
        runner.register_hook(hook, priority)
    views = views_options(cfg)
    if views is not None:
        hook = ViewsHook(**views)
        hook.configure(cfg)
        runner.register_hook(hook, LOOKING_ON)
    runner.register_hook(LiveHook(), LOOKING_ON)


def _custom_hook(hook_cfg: Mapping[str, Any]) -> tuple[Hook, Any]:
    options = dict(hook_cfg)
    priority = options.pop('priority', 'NORMAL')
    return mmcv.build_from_cfg(options, HOOKS), priority

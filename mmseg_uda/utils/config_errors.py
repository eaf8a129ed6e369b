"""Turn errors of building from a config into messages that name the file, the key and the nearest valid spelling."""

from __future__ import annotations

import contextlib
import difflib
import re
from typing import Any, Iterator, Mapping

from mmcv.utils import Registry

from .config import nearest, option_names

#: top-level keys that the tools read; other names are free variables of a config file
TOP_LEVEL = (
    'model',
    'uda',
    'data',
    'optimizer',
    'optimizer_config',
    'lr_config',
    'momentum_config',
    'runner',
    'checkpoint_config',
    'evaluation',
    'log_config',
    'dist_params',
    'log_level',
    'load_from',
    'resume_from',
    'workflow',
    'cudnn_benchmark',
    'work_dir',
    'seed',
    'custom_imports',
    'custom_hooks',
    'train_cfg',
    'test_cfg',
    'fp16',
    'engine',
    'memory',
    'active',
    'views',
    'dataset_type',
    'data_root',
)
REQUIRED = ('model', 'data', 'optimizer', 'runner')


class ConfigError(ValueError):
    """A config that cannot be used; the message names the file, the key and the remedy."""


def check_top_level(cfg: Mapping[str, Any], filename: str) -> None:
    """Refuse missing and misspelt top-level keys.

    Raises:
        ConfigError: a required key is missing, or a key that is no known one looks like a known one that is absent.
    """
    absent = [key for key in TOP_LEVEL if cfg.get(key) is None]
    for key in cfg:
        if key not in TOP_LEVEL:
            close = difflib.get_close_matches(key, absent, n=1, cutoff=0.85)
            if close:
                raise ConfigError(f"{filename}: unknown key '{key}': did you mean '{close[0]}'?")
    missing = [key for key in REQUIRED if cfg.get(key) is None]
    if missing:
        raise ConfigError(
            f"{filename}: key '{missing[0]}' is missing; a training config needs {', '.join(REQUIRED)} "
            '(usually inherited from configs/_base_)'
        )


@contextlib.contextmanager
def naming_config(filename: str) -> Iterator[None]:
    """Re-raise configuration errors of the block as :class:`ConfigError` with the file's name and a hint."""
    try:
        yield
    except ConfigError:
        raise
    except (KeyError, TypeError, ValueError, AssertionError) as error:
        text = error.args[0] if isinstance(error, KeyError) and error.args else str(error)
        raise ConfigError(f'{filename}: {text}{_hint(str(text))}') from error


def _registries() -> list[Any]:
    from mmcv.runner import HOOKS
    from mmseg.datasets import DATASETS, PIPELINES
    from mmseg.models.builder import MODELS

    from .. import registry
    from ..registry import UDA

    own = [value for value in vars(registry).values() if isinstance(value, Registry) and value is not UDA]
    return [MODELS, DATASETS, PIPELINES, HOOKS, UDA, *own]


def _hint(text: str) -> str:
    unknown_class = re.search(r'(\S+) is not in the (.+?) registry', text)
    if unknown_class:
        wanted = unknown_class.group(1).strip('\'"')
        names = {
            name
            for registry in _registries()
            if registry.name in unknown_class.group(2) or unknown_class.group(2) in registry.name
            for name in registry.module_dict
        }
        return f' ({nearest(wanted, names)})' if names else ''
    unknown_option = re.search(r"unexpected keyword argument '(\w+)'", text)
    classes = re.findall(r'(\w+): ', text)  # from the outermost to the one that refused
    if unknown_option and classes:
        for registry in _registries():
            cls = registry.module_dict.get(classes[-1])
            options = option_names(cls) if cls is not None else None
            if options:
                return f' ({nearest(unknown_option.group(1), options)})'
    return ''

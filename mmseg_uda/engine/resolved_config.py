"""What runs for a config, as values (``tools/print_config.py --resolved``)."""

from __future__ import annotations

from typing import Any, Mapping, Optional

from ..datasets.builder import resolved_stream, resolved_test_set, resolved_training_set
from ..utils.config_errors import TOP_LEVEL, naming_config
from .environment import load_config
from .stages import recipe_stages


def resolved_config(path: str, overrides: Optional[Mapping[str, Any]] = None) -> dict[str, Any]:
    """The entries of a config that the tools read, with the values that they use.

    Heads have the number of classes of the data, and every pipeline has the steps that run. Of a recipe for
    ``tools/run_stages.py``: its stages. Training with the result is training with the config.

    Raises:
        ConfigError: the config cannot be used; FileNotFoundError: it does not exist.
    """
    cfg = load_config(path, dict(overrides or {}))
    if cfg.get('stages'):
        return dict(stages=recipe_stages(cfg))
    values = {key: value for key, value in cfg._cfg_dict.to_dict().items() if key in TOP_LEVEL}
    data = values.get('data') or {}
    with naming_config(path):
        if data.get('train'):
            is_one = isinstance(data['train'], Mapping)
            data['train'] = resolved_training_set(data['train']) if is_one else resolved_stream(data['train'], True)
        for part in ('val', 'test'):
            if data.get(part):
                data[part] = resolved_test_set(data[part])
    return values

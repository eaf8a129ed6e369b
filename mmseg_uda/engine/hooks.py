"""mmcv hooks of this package."""

from __future__ import annotations

from typing import Any, Mapping

import mmcv
from mmcv.runner import HOOKS, Hook

from ..utils.config import nearest
from . import lr_policies, views_hook  # noqa: F401  (register their hooks)


class _RunnerView:
    """A runner as a hook sees it when only one of its optimisers concerns the hook."""

    def __init__(self, runner: Any, optimizer: Any) -> None:
        self._runner = runner
        self.optimizer = optimizer

    def __getattr__(self, name: str) -> Any:
        return getattr(self._runner, name)


class NamedLrUpdaterHook(Hook):
    """Own learning-rate policies for named optimisers.

    Args:
        hooks: an mmcv ``LrUpdaterHook`` per optimiser name; an optimiser without one keeps its rate.
    """

    def __init__(self, hooks: Mapping[str, Hook]) -> None:
        self.hooks = dict(hooks)

    @classmethod
    def from_config(cls, cfg: Mapping[str, Any], optimizer: Any) -> NamedLrUpdaterHook:
        """Build from ``lr_config = dict(<network>=dict(policy=...), ...)``.

        Raises:
            KeyError: a name that no optimiser has.
        """
        if not isinstance(optimizer, dict):
            raise KeyError(f"lr_config needs a 'policy' (this method has one optimiser), got keys {sorted(cfg)}")
        hooks = {}
        for name, options in cfg.items():
            if name not in optimizer:
                raise KeyError(f"lr_config: no optimiser is called '{name}' ({nearest(name, optimizer)})")
            options = dict(options, by_epoch=False)
            policy = options.pop('policy')
            policy = policy.title() if policy == policy.lower() else policy
            hooks[name] = mmcv.build_from_cfg(dict(options, type=f'{policy}LrUpdaterHook'), HOOKS)
        return cls(hooks)

    def _each(self, method: str, runner: Any) -> None:
        for name, hook in self.hooks.items():
            getattr(hook, method)(_RunnerView(runner, runner.optimizer[name]))

    def before_run(self, runner: Any) -> None:
        self._each('before_run', runner)

    def before_train_epoch(self, runner: Any) -> None:
        self._each('before_train_epoch', runner)

    def before_train_iter(self, runner: Any) -> None:
        self._each('before_train_iter', runner)

"""State that hooks bring to a run: buffers that they add to the model when a run starts (mmcv's ``EMAHook``), and their
own (``state_dict`` and ``load_state_dict``)."""

from __future__ import annotations

from typing import Any, Mapping, Sequence

from torch import nn

from ..utils.checkpoint_io import CheckpointError

#: entry of a checkpoint
KEY = 'hooks'


class HookState:
    """What a checkpoint holds for hooks, from its reading until the hooks are ready to take it.

    Args:
        hooks: of the run.
    """

    def __init__(self, hooks: Sequence[Any]) -> None:
        self.hooks = hooks
        self.source = ''
        self.buffers: dict[str, Any] = {}
        self.own: Mapping[str, Any] = {}

    def of_hooks(self, model: nn.Module, state: Mapping[str, Any]) -> dict[str, Any]:
        """The entries of a state dict that only a hook can have added: the model has no such key yet."""
        if not any(_may_add_buffers(hook) for hook in self.hooks):
            return {}
        own = model.state_dict()
        return {key: value for key, value in state.items() if key not in own}

    def keep(self, source: Any, buffers: Mapping[str, Any], own: Mapping[str, Any]) -> None:
        """Remember what ``source`` holds until :meth:`restore`."""
        self.source, self.buffers, self.own = str(source), dict(buffers), own

    def restore(self, model: nn.Module) -> None:
        """Hand it out, after the hooks' ``before_run``.

        Raises:
            CheckpointError: buffers that no hook of this run has added.
        """
        unknown = [key for key in self.buffers if key not in model.state_dict()]
        if unknown:
            raise CheckpointError(
                f"'{self.source}' does not fit this config: it has {len(unknown)} keys that no network and no hook of "
                f'this run has (first: {unknown[0]}): resume with the config that wrote it, or use --load-from'
            )
        if self.buffers:
            model.load_state_dict(self.buffers, strict=False)
        for name, hook in _stateful(self.hooks).items():
            if name in self.own:
                hook.load_state_dict(self.own[name])
        self.keep('', {}, {})

    def state_dict(self) -> dict[str, Any]:
        """The own state of hooks that have ``state_dict`` and ``load_state_dict``."""
        return {name: hook.state_dict() for name, hook in _stateful(self.hooks).items()}


def _may_add_buffers(hook: Any) -> bool:
    """mmcv's and this package's hooks add none to the model, but for one."""
    root = type(hook).__module__.split('.')[0]
    return root not in ('mmcv', 'mmseg', 'mmseg_uda') or type(hook).__name__ == 'EMAHook'


def _stateful(hooks: Sequence[Any]) -> dict[str, Any]:
    named: dict[str, Any] = {}
    for hook in hooks:
        if hasattr(hook, 'state_dict') and hasattr(hook, 'load_state_dict'):
            named[f'{type(hook).__name__}.{len(named)}'] = hook
    return named

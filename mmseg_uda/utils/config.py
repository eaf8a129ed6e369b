"""Building objects from config dicts with errors that name the key and the nearest valid spelling."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from typing import Any, Callable, Iterable, Mapping, Optional, TypeVar

from mmcv.utils import Registry

T = TypeVar('T')


def nearest(name: str, valid: Iterable[str]) -> str:
    """A hint ``did you mean 'x'?`` for a misspelt ``name``, or the list of valid names when nothing is close."""
    valid = sorted(valid)
    close = difflib.get_close_matches(name, valid, n=1, cutoff=0.6)
    return f"did you mean '{close[0]}'?" if close else f'valid: {", ".join(valid)}'


def option_names(cls: Callable[..., Any]) -> Optional[set[str]]:
    """Names of the keyword options that a class accepts, or None when it accepts any.

    ``**kwargs`` are followed along the method resolution order. A class that takes options in another way lists them
    in a class method ``option_names()``.
    """
    if hasattr(cls, 'option_names'):
        return set(cls.option_names())
    return signature_names(cls)


def signature_names(cls: Callable[..., Any]) -> Optional[set[str]]:
    """Keyword parameters of a function, or of a class's ``__init__`` along its bases; None when anything is
    accepted."""
    if not inspect.isclass(cls):
        signature = inspect.signature(cls)
        if any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values()):
            return None
        return set(signature.parameters)
    names: set[str] = set()
    for base in cls.__mro__:
        if '__init__' not in vars(base):
            continue
        if base is object:
            return names
        parameters = list(inspect.signature(vars(base)['__init__']).parameters.values())[1:]
        names |= {p.name for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        if not any(p.kind is p.VAR_KEYWORD for p in parameters):
            return names
    return names


def split_options(cls: type[T], given: Mapping[str, Any]) -> tuple[T, dict[str, Any]]:
    """An options dataclass built from those of ``given`` that are its fields, and the other options."""
    names = {field.name for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    own = {key: value for key, value in given.items() if key in names}
    return cls(**own), {key: value for key, value in given.items() if key not in names}


def check_options(options: Mapping[str, Any], valid: Iterable[str], where: str) -> None:
    """Refuse keys outside ``valid``.

    Args:
        options: the config dict.
        valid: the accepted keys.
        where: what is configured, for the message, such as ``uda (DACS)``.

    Raises:
        KeyError: names every unknown key with the nearest valid one.
    """
    valid = set(valid)
    unknown = [key for key in options if key not in valid]
    if unknown:
        hints = '; '.join(f"'{key}' ({nearest(key, valid)})" for key in unknown)
        raise KeyError(f'unknown option of {where}: {hints}')


def build_from_config(cfg: Any, registry: Registry, **defaults: Any) -> Any:
    """Build ``cfg`` from ``registry``, refusing unknown class names and misspelt options before anything is
    constructed.

    Args:
        cfg: dict with ``type``; an object that is not a mapping is returned as it is (already built).
        registry: where ``type`` is looked up.
        defaults: options used where ``cfg`` does not give them and the class accepts them.

    Raises:
        KeyError: unknown ``type`` or option, with the nearest valid spelling.
    """
    if not isinstance(cfg, Mapping):
        return cfg
    options = dict(cfg)
    if 'type' not in options:
        raise KeyError(
            f"a {registry.name} config needs a 'type', got keys {sorted(options)}; valid: "
            f'{", ".join(sorted(registry.module_dict))}'
        )
    kind = options.pop('type')
    cls = registry.get(kind) if isinstance(kind, str) else kind
    if cls is None:
        raise KeyError(f"unknown {registry.name} type '{kind}': {nearest(str(kind), registry.module_dict)}")
    valid = option_names(cls)
    if valid is not None:
        check_options(options, valid, f'{registry.name} {kind if isinstance(kind, str) else cls.__name__}')
    for key, value in defaults.items():
        if valid is None or key in valid:
            options.setdefault(key, value)
    return cls(**options)

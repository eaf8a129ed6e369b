"""Reading config files without mmcv and torch: the merged values, the chain of files, and which file set a key.

The rules are those of ``mmcv.Config.fromfile`` 1.x for Python files. The module imports the standard library only, so
that ``tools/print_config.py`` answers at once; it is loaded by its path there.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import types
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Callable, Iterator, Mapping, Optional, Sequence, Union

WIDTH = 120
_DELETE = '_delete_'
_BASE_VARIABLE = re.compile(r'\{\{\s*_base_\.([\w.]+)\s*\}\}')

#: where a value comes from: a file for anything but a dict, else its keys' origins
Origin = Union[str, dict[str, Any]]


@dataclass
class ConfigFile:
    """A config file and what it inherits.

    Attributes:
        path: as given, or relative to the working folder where it lies below it.
        values: the merged values, plain dicts and lists.
        origins: for every key of ``values`` the file that set it.
        bases: files of ``_base_``.
    """

    path: str
    values: dict[str, Any]
    origins: dict[str, Any]
    bases: list[ConfigFile] = field(default_factory=list)


class _FromBase(str):
    """Stands for ``{{_base_.key}}`` while a file is executed."""


def read_config(path: Union[str, Path]) -> ConfigFile:
    """Read a Python config with everything that it inherits.

    Raises:
        FileNotFoundError: the file, or one of its ``_base_``, does not exist. KeyError: two bases with the same key, or
            a ``{{_base_.key}}`` that no base has. TypeError: a dict that would replace something else.
        SyntaxError: names file and line.
    """
    path = Path(os.path.abspath(path))
    if not path.is_file() or path.suffix != '.py':
        raise FileNotFoundError(f"'{_shown(path)}' is no Python config file")
    shown = _shown(path)
    values = _executed(path)
    names = values.pop('_base_', [])
    bases = [read_config(path.parent / name) for name in ([names] if isinstance(names, str) else names)]
    inherited: dict[str, Any] = {}
    origins: dict[str, Any] = {}
    for base in bases:
        twice = sorted(inherited.keys() & base.values.keys())
        if twice:
            raise KeyError(f'{shown}: two of its _base_ files have the same keys {twice}')
        inherited.update(base.values)
        origins.update(base.origins)
    own, own_origins = _substituted(values, shown, inherited, origins)
    merged, merged_origins = _merged(own, own_origins, inherited, origins, shown)
    return ConfigFile(shown, merged, merged_origins, bases)


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if Path.cwd() in path.parents else str(path)


def _executed(path: Path) -> dict[str, Any]:
    """The variables of a config file, ``{{_base_.key}}`` as :class:`_FromBase`."""
    text = path.read_text(encoding='utf-8')
    predefined = dict(
        fileDirname=path.parent, fileBasename=path.name, fileBasenameNoExtension=path.stem, fileExtname=path.suffix
    )
    for name, value in predefined.items():
        text = re.sub(r'\{\{\s*' + name + r'\s*\}\}', str(value).replace('\\', '/'), text)
    text = _BASE_VARIABLE.sub(lambda found: f'__from_base__("{found.group(1)}")', text)
    namespace: dict[str, Any] = {'__from_base__': _FromBase, '__file__': str(path), '__name__': path.stem}
    exec(compile(text, str(path), 'exec'), namespace)
    return {
        name: value
        for name, value in namespace.items()
        if not name.startswith('__') and not isinstance(value, (types.ModuleType, types.FunctionType))
    }


def _substituted(value: Any, file: str, base: Mapping[str, Any], origins: Mapping[str, Any]) -> tuple[Any, Any]:
    """A copy of ``value`` with the values of the bases in place of their names, and its origins."""
    if isinstance(value, _FromBase):
        found: Any = base
        origin: Any = origins
        for key in value.split('.'):
            if not isinstance(found, Mapping) or key not in found:
                raise KeyError(f'{file}: no _base_ has {value}')
            found, origin = found[key], origin[key] if isinstance(origin, Mapping) else origin
        return _substituted(found, file, base, origins)[0], origin
    if isinstance(value, Mapping):
        pairs = {key: _substituted(item, file, base, origins) for key, item in value.items()}
        return {key: pair[0] for key, pair in pairs.items()}, {key: pair[1] for key, pair in pairs.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_substituted(item, file, base, origins)[0] for item in value), file
    return value, file


def _merged(own: Any, own_origins: Any, base: Any, origins: Any, file: str, indices: bool = False) -> tuple[Any, Any]:
    """``own`` merged into ``base``, key by key, as ``mmcv.Config`` does; ``indices``: its keys may count list items."""
    if isinstance(base, list):
        items = list(base)
        for key, value in own.items():
            if not key.isdigit() or int(key) >= len(items):
                raise KeyError(f'{file}: the list has no item {key}')
            item = items[int(key)]
            below = _substituted(item, file, {}, {})[1]
            items[int(key)] = _merged_value(value, own_origins[key], item, below, file, indices)[0]
        return items, file
    merged, found = dict(base), dict(origins)
    for key, value in own.items():
        if isinstance(value, Mapping) and key in merged:
            merged[key], found[key] = _merged_value(value, own_origins[key], merged[key], found[key], file, indices)
        else:
            merged[key], found[key] = value, own_origins[key]
    return merged, found


def _merged_value(value: Any, own_origin: Any, base: Any, origin: Any, file: str, indices: bool) -> tuple[Any, Any]:
    if not isinstance(value, Mapping):
        return value, own_origin
    if value.get(_DELETE, False):
        kept = {key: item for key, item in value.items() if key != _DELETE}
        return kept, {key: own_origin[key] for key in kept}
    value = {key: item for key, item in value.items() if key != _DELETE}
    if not isinstance(base, Mapping) and not (indices and isinstance(base, list)):
        raise TypeError(
            f'{file}: a dict cannot be merged into the inherited {type(base).__name__}; {_DELETE}=True replaces it'
        )
    return _merged(value, own_origin, base, origin, file, indices)


def with_options(config: ConfigFile, options: Mapping[str, Any], source: str = '--cfg-options') -> ConfigFile:
    """The config with entries of dotted keys changed, as ``--cfg-options`` changes them (list items by number)."""
    nested: dict[str, Any] = {}
    for dotted, value in options.items():
        *parents, last = dotted.split('.')
        node = nested
        for key in parents:
            node = node.setdefault(key, {})
        node[last] = value
    own, origins = _substituted(nested, source, {}, {})
    return ConfigFile(
        config.path, *_merged(own, origins, config.values, config.origins, source, indices=True), bases=config.bases
    )


# ---- text -----------------------------------------------------------------------------------------------------------
def chain(config: ConfigFile, depth: int = 0) -> Iterator[str]:
    """The files that a config reads, one a line, what they inherit indented below them."""
    yield '  ' * depth + config.path
    for base in config.bases:
        yield from chain(base, depth + 1)


def flat(values: Any, origins: Any, prefix: str = '') -> Iterator[tuple[str, Any, str]]:
    """(dotted key, value, file that set it) of everything that is no dict with entries."""
    for key, value in values.items():
        origin = origins[key]
        if isinstance(value, Mapping) and value:
            inner = origin if isinstance(origin, Mapping) else dict.fromkeys(value, origin)
            yield from flat(value, inner, f'{prefix}{key}.')
        else:
            yield f'{prefix}{key}', value, origin if isinstance(origin, str) else ''


def chosen(values: Mapping[str, Any], keys: Sequence[str]) -> dict[str, Any]:
    """The entries of dotted keys (list items by number), under the keys as they are given.

    Raises:
        KeyError: a key that the config lacks, with those beside it.
    """
    found: dict[str, Any] = {}
    for dotted in keys:
        node: Any = values
        for key in dotted.split('.'):
            items = dict(enumerate(node)) if isinstance(node, (list, tuple)) else node
            beside = {str(name): item for name, item in items.items()} if isinstance(items, Mapping) else {}
            if key not in beside:
                raise KeyError(f"no '{dotted}': at '{key}' there is {', '.join(beside) or 'a plain value'}")
            node = beside[key]
        found[dotted] = node
    return found


def as_python(values: Mapping[str, Any]) -> str:
    """Values as the text of a config file: one ``key = value`` after another."""
    return ''.join(f'{key} = {_text(value, 0, len(key) + 3)}\n' for key, value in values.items())


def _text(value: Any, indent: int, used: int) -> str:
    """A value in one line where it fits beside ``used`` characters, else one item a line."""
    line = _one_line(value)
    if len(line) + indent + used <= WIDTH or not isinstance(value, (Mapping, list, tuple)) or not value:
        return line
    pad = ' ' * (indent + 4)
    if isinstance(value, Mapping):
        named = all(isinstance(key, str) and key.isidentifier() for key in value)
        names = [f'{key}=' if named else f'{key!r}: ' for key in value]
        items = [name + _text(item, indent + 4, len(name) + 1) for name, item in zip(names, value.values())]
        start, end = ('dict(', ')') if named else ('{', '}')
    else:
        items = [_text(item, indent + 4, 1) for item in value]
        start, end = ('[', ']') if isinstance(value, list) else ('(', ')')
    return start + '\n' + ''.join(f'{pad}{item},\n' for item in items) + ' ' * indent + end


def _one_line(value: Any) -> str:
    if isinstance(value, Mapping):
        if all(isinstance(key, str) and key.isidentifier() for key in value):
            return 'dict(' + ', '.join(f'{key}={_one_line(item)}' for key, item in value.items()) + ')'
        return '{' + ', '.join(f'{key!r}: {_one_line(item)}' for key, item in value.items()) + '}'
    if isinstance(value, list):
        return '[' + ', '.join(map(_one_line, value)) + ']'
    if isinstance(value, tuple):
        return '(' + ', '.join(map(_one_line, value)) + (',)' if len(value) == 1 else ')')
    return repr(value)


# ---- command line ----------------------------------------------------------------------------------------------------
def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """Flags of ``tools/print_config.py``."""
    parser = argparse.ArgumentParser(description='Print a config with everything that it inherits')
    parser.add_argument('config', help='config file')
    parser.add_argument(
        '--resolved',
        action='store_true',
        help='what runs: num_classes from the data, the steps of every pipeline; free variables are left out',
    )
    parser.add_argument('--origin', action='store_true', help='one key a line, with the file that set it')
    parser.add_argument('--files', action='store_true', help='only the chain of files')
    parser.add_argument('--only', nargs='+', metavar='KEY', help='only these entries, such as data.train.source')
    parser.add_argument(
        '--cfg-options', '--options', nargs='+', metavar='KEY=VALUE', default=[], help="mmseg's overrides"
    )
    args = parser.parse_args(argv)
    if args.origin and args.resolved:
        parser.error('--origin is about the files, --resolved about what runs: give one of them')
    return args


def parsed_options(pairs: Sequence[str]) -> dict[str, Any]:
    """``KEY=VALUE`` as mmcv reads them.

    Raises:
        ValueError: an entry without ``=``.
    """
    from mmcv import DictAction

    wrong = [pair for pair in pairs if '=' not in pair]
    if wrong:
        raise ValueError(f'--cfg-options {wrong[0]}: write KEY=VALUE')
    return {key: DictAction._parse_iterable(value) for key, value in (pair.split('=', maxsplit=1) for pair in pairs)}


def main(argv: Optional[Sequence[str]] = None, resolve: Optional[Callable[..., dict[str, Any]]] = None) -> None:
    """Run ``tools/print_config.py``.

    Args:
        argv: command line.
        resolve: (path, overrides) -> the values that run, for ``--resolved``.
    """
    args = parse_args(argv)
    try:
        options = parsed_options(args.cfg_options) if args.cfg_options else {}
        config = read_config(args.config)
        if args.files:
            print('\n'.join(chain(config)))
            return
        config = with_options(config, options)
        values = resolve(args.config, options) if args.resolved and resolve is not None else config.values
        if args.origin:
            lines = [
                f'{key} = {_one_line(value)}  # {file}' for key, value, file in flat(config.values, config.origins)
            ]
            wanted = tuple(f'{key}{end}' for key in args.only or () for end in ('.', ' '))
            print('\n'.join(line for line in lines if not wanted or line.startswith(wanted)))
        elif args.only:
            print(as_python(chosen(values, args.only)), end='')
        else:
            print('\n'.join(f'# {line}' for line in chain(config)))
            print(as_python(values), end='')
    except (FileNotFoundError, KeyError, TypeError, ValueError) as error:
        sys.exit(f'print_config: {error.args[0] if error.args else error}')

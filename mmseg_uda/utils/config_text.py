"""Resolved configs as text that can be read back without running it."""

from __future__ import annotations

import ast
from typing import Any

from mmcv import Config

from .config_errors import TOP_LEVEL, ConfigError


def config_text(cfg: Config) -> str:
    """A config as Python, one line per key: exact, and without the seconds that pretty-printing takes.

    Left over variables of a config file that hold other things than plain values (loop variables, paths) are left out.
    """
    lines = {key: f'{key} = {value!r}\n' for key, value in cfg._cfg_dict.to_dict().items()}
    return ''.join(line for key, line in lines.items() if key in TOP_LEVEL or _is_plain(line))


def _is_plain(line: str) -> bool:
    try:
        read_config_text(line, '')
    except ConfigError:
        return False
    return True


def read_config_text(text: str, source: Any) -> Config:
    """Read what :func:`config_text` or mmcv's ``pretty_text`` has written. Nothing is executed and nothing imported:
    only assignments of plain values are understood.

    Args:
        text: Python text.
        source: named in the message.

    Raises:
        ConfigError: anything else in the text.
    """
    values = {}
    try:
        for statement in ast.parse(text).body:
            if isinstance(statement, ast.Assign) and len(statement.targets) == 1:
                target = statement.targets[0]
                if isinstance(target, ast.Name):
                    values[target.id] = _value(statement.value)
                    continue
            raise ValueError(f'line {statement.lineno} is no assignment of a value to a name')
    except (ValueError, SyntaxError, TypeError, RecursionError, MemoryError) as error:
        raise ConfigError(
            f'{source} is no resolved config as training writes it ({error}), and a config of another kind would have '
            'to be executed, which is done only with a file that you name yourself'
        ) from error
    return Config(values)


def _value(node: ast.expr) -> Any:
    if isinstance(node, ast.Constant):
        return node.value
    if isinstance(node, ast.Name) and node.id in ('inf', 'nan'):
        return float(node.id)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.USub, ast.UAdd)):
        value = _value(node.operand)
        return -value if isinstance(node.op, ast.USub) else value
    if isinstance(node, (ast.List, ast.Tuple, ast.Set)):
        items = [_value(item) for item in node.elts]
        return items if isinstance(node, ast.List) else tuple(items) if isinstance(node, ast.Tuple) else set(items)
    if isinstance(node, ast.Dict) and None not in node.keys:
        return {_value(key): _value(value) for key, value in zip(node.keys, node.values)}  # type: ignore[arg-type]
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict':
        pairs: dict[Any, Any] = {}
        for mapping in node.args:
            pairs.update(_value(mapping))
        for keyword in node.keywords:
            pairs.update({keyword.arg: _value(keyword.value)} if keyword.arg else _value(keyword.value))
        return pairs
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'range' and not node.keywords:
        return range(*(_value(bound) for bound in node.args))
    raise ValueError(f'line {node.lineno} holds more than plain values: {ast.unparse(node)[:60]}')

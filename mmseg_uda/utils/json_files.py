"""Records that the tools leave for each other as JSON."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any


class DamagedFileError(ValueError):
    """A record that cannot be read; the message names the file and the remedy."""


def read_record(path: Path, keys: tuple[str, ...], remedy: str) -> dict[str, Any]:
    """A JSON object with some keys.

    Raises:
        FileNotFoundError: no such file.
        DamagedFileError: no JSON, no object, or a key is missing.
    """
    try:
        record = json.loads(path.read_text(encoding='utf-8'))
        if not isinstance(record, dict):
            raise ValueError(f'it holds a {type(record).__name__} instead of an object')
        missing = [key for key in keys if key not in record]
        if missing:
            raise ValueError(f"it has no '{missing[0]}'")
    except (ValueError, RecursionError) as error:
        text = 'nested too deeply' if isinstance(error, RecursionError) else str(error)
        raise DamagedFileError(f"'{path}' is damaged ({text}): {remedy}") from error
    return record

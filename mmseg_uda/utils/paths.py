"""Names that come from files of others."""

from __future__ import annotations

import os


def leaves_folder(name: str) -> bool:
    """Whether a name that should lie below a folder is written so that it does not: an absolute path of any system, a
    home folder, ``..``, or with a zero byte."""
    parts = name.replace('\\', '/').split('/')
    return (
        os.path.isabs(name)
        or name.startswith(('~', '/', '\\'))
        or '..' in parts
        or (len(name) > 1 and name[1] == ':')
        or '\0' in name
    )

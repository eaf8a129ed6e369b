"""Importing every module that registers something."""

from __future__ import annotations

import importlib
import pkgutil

REGISTERING_PACKAGES = ('models', 'datasets', 'components', 'methods', 'active')


def import_registering_modules() -> None:
    """Import all modules of the packages whose classes configs name, so that the registries know them.

    A new file in one of these packages is found without being listed anywhere.
    """
    root = __name__.split('.')[0]
    for name in REGISTERING_PACKAGES:
        package = importlib.import_module(f'{root}.{name}')
        for module in pkgutil.walk_packages(package.__path__, prefix=f'{package.__name__}.'):
            importlib.import_module(module.name)

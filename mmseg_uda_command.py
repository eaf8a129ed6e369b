"""The console command ``mmseg-uda``: every tool by its name, configs by their names, from any folder.

A module of its own beside the package, because importing the package takes seconds and a list of commands does not need
it. ``python -m mmseg_uda`` is the same command.
"""

from __future__ import annotations

import ast
import gc
import importlib
import importlib.util
import runpy
import sys
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any, Optional, Sequence

#: command -> file below ``tools``, in the order of the help
COMMANDS = {
    'train': 'train.py',
    'test': 'test.py',
    'predict': 'predict.py',
    'export': 'export.py',
    'benchmark': 'benchmark.py',
    'report': 'report.py',
    'demo': 'demo.py',
    'check': 'check_dataset.py',
    'check-gpu': 'check_gpu.py',
    'browse': 'browse_dataset.py',
    'class-stats': 'class_stats.py',
    'cache': 'cache_resized.py',
    'print-config': 'print_config.py',
    'stages': 'run_stages.py',
    'pseudo-labels': 'pseudo_labels.py',
    'flow': 'flow.py',
    'select': 'select_active.py',
    'active-loop': 'active_loop.py',
    'active-curve': 'active_curve.py',
    'convert-checkpoint': 'convert_checkpoint.py',
    'target-statistics': 'target_statistics.py',
    'convert-gta': 'convert_datasets/gta.py',
    'convert-synthia': 'convert_datasets/synthia.py',
    'convert-cityscapes': 'convert_datasets/cityscapes.py',
    'convert-idd': 'convert_datasets/idd.py',
    'convert-mapillary': 'convert_datasets/mapillary.py',
    'split': 'make_ssda_split.py',
    'toy-world': 'make_toy_world.py',
}


#: name under which the command lines are known before the package is imported
OPTIONS = '_mmseg_uda_options'
#: exit status of a command that Ctrl-C ended (128 + 2, as a shell reports it)
INTERRUPTED = 130


def package_folder() -> Path:
    """The folder of the package, which is found and not imported."""
    spec = importlib.util.find_spec('mmseg_uda')
    return Path(list(spec.submodule_search_locations or [])[0]) if spec else Path(__file__).parent / 'mmseg_uda'


def home() -> Path:
    """The folder that holds ``configs`` and ``tools``: the checkout, or ``.mim`` inside the installed package.

    Raises:
        FileNotFoundError: neither is there.
    """
    package = package_folder()
    for folder in (package.parent, package / '.mim'):
        if (folder / 'tools' / 'train.py').is_file() and (folder / 'configs').is_dir():
            return folder
    raise FileNotFoundError(
        f'no configs and tools beside or inside {package}: install the wheel, or work in a checkout'
    )


def command_line(name: str) -> ModuleType:
    """``mmseg_uda/options/<name>.py``, loaded without the package around it: it needs the standard library only."""
    if OPTIONS not in sys.modules:
        file = package_folder() / 'options' / '__init__.py'
        spec = importlib.util.spec_from_file_location(OPTIONS, file, submodule_search_locations=[str(file.parent)])
        if spec is None or spec.loader is None:
            raise ImportError(f'{file} cannot be loaded')
        sys.modules[OPTIONS] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(sys.modules[OPTIONS])
    return importlib.import_module(f'{OPTIONS}.{name}')


def start_tool(program: str, options: str, **given: Any) -> None:
    """Run a tool and leave the interpreter: its arguments are read before the package is imported, which takes seconds.

    Args:
        program: ``module:function``; the function gets the arguments and ``given``.
        options: module of ``mmseg_uda/options`` whose ``parse_args`` reads the arguments (and gets ``given``).
    """
    arguments = [argument for argument in sys.argv[1:] if argument != '--debug']
    try:
        command_line(options).parse_args(arguments, **given)
    except SystemExit as end:
        if end.code in (0, None):
            print('\n--debug shows the trace of an error')
        raise
    gc.disable()  # what modules define is no garbage, and looking through it is a quarter of the time of an import
    try:
        importlib.import_module('mmseg_uda').register_all_modules()
        module, function = program.split(':')
        main = getattr(importlib.import_module(module), function)
        run_tool = importlib.import_module('mmseg_uda.utils.cli').run_tool
    except KeyboardInterrupt:
        print('interrupted', file=sys.stderr)
        sys.exit(INTERRUPTED)
    gc.freeze()  # nor is it looked through later
    gc.enable()
    run_tool(partial(main, **given))


def with_known_configs(arguments: Sequence[str], configs: Path) -> list[str]:
    """``mic/gta_to_cityscapes_daformer_mitb5.py`` as a path, where no such file lies in the working folder."""
    known = []
    for argument in arguments:
        shipped = configs / argument
        is_name = argument.endswith('.py') and not argument.startswith('-') and not Path(argument).exists()
        known.append(str(shipped) if is_name and shipped.is_file() else argument)
    return known


def summary(path: Path) -> str:
    """First sentence of a tool's docstring, without running it."""
    text = ast.get_docstring(ast.parse(path.read_text(encoding='utf-8'))) or ''
    return text.split('\n')[0].split(': ``')[0].rstrip('.')


def overview(tools: Path) -> str:
    """The list of commands."""
    rows = [f'  {name:20s} {summary(tools / file)}' for name, file in COMMANDS.items()]
    return '\n'.join(
        [
            'usage: mmseg-uda COMMAND ARGUMENTS     (mmseg-uda COMMAND --help)',
            '',
            *rows,
            f'  {"configs":20s} List the configs, or those whose names contain some words',
            '',
            'A config is a path, or a name such as dacs/toy_gta_to_toy_cityscapes.py (mmseg-uda configs).',
        ]
    )


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run a command and leave the interpreter with its status."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    folder = home()
    if not arguments or arguments[0] in ('-h', '--help', 'help'):
        print(overview(folder / 'tools'))
        return
    command, rest = arguments[0], arguments[1:]
    if command == 'configs':
        names = [path.relative_to(folder / 'configs').as_posix() for path in (folder / 'configs').rglob('*.py')]
        leaves = sorted(name for name in names if not name.startswith('_base_'))
        print('\n'.join(name for name in leaves if all(word in name for word in rest)))
        return
    if command not in COMMANDS:
        import difflib

        near = difflib.get_close_matches(command, COMMANDS, n=1)
        sys.exit(
            f"mmseg-uda has no command '{command}'{f': did you mean {near[0]}?' if near else ''} (mmseg-uda --help)"
        )
    tool = folder / 'tools' / COMMANDS[command]
    sys.argv = [str(tool), *with_known_configs(rest, folder / 'configs')]
    runpy.run_path(str(tool), run_name='__main__')


if __name__ == '__main__':
    main()

"""Run a tool of the installed MMSegmentation 0.30 with this package: ``python -m mmseg_uda.stock TOOL ARGUMENTS``.

Without compiled ops MMSegmentation's own tools end at ``mmcv._ext``; here the stand-in is in place and the networks and
data sets of this package are known. Configs are completed as this package completes them: heads get the number of
classes of the data. Tools that cannot do their work on a config of this package are refused, with what to use instead.
"""

from __future__ import annotations

import importlib.util
import runpy
import sys
import tempfile
from pathlib import Path
from typing import Optional, Sequence

import mmseg
from mmcv import Config

from .builder import complete_model

#: tools of MMSegmentation that do not fit, and what does their work
REPLACED = {
    'train': "it knows no 'uda' block: mmseg-uda train CONFIG",
    'browse_dataset': 'it knows no data sets with several streams: mmseg-uda browse CONFIG',
    'get_flops': 'it needs a CUDA device: mmseg-uda benchmark CONFIG counts FLOPs on any',
    'benchmark': 'it needs a CUDA device: mmseg-uda benchmark CONFIG measures any',
    'pytorch2onnx': 'it stops in the exporter of current torch: mmseg-uda export CONFIG CHECKPOINT --out DIR --onnx',
    'model_ensemble': 'it needs a CUDA device: mmseg-uda test CONFIG CHECKPOINT --ensemble-with CONFIG CHECKPOINT',
    'deploy_test': 'it tests backends of MMDeploy: mmseg-uda export --onnx compares the graph with the network',
    'onnx2tensorrt': "it needs TensorRT 7: TensorRT's own trtexec reads the model.onnx of mmseg-uda export",
}
#: tools that import a package which MMSegmentation does not require
NEEDED = {'analyze_logs': 'seaborn'}
#: the same work without that package
INSTEAD = {'analyze_logs': 'mmseg-uda report WORK_DIR draws the curves'}


def tools() -> dict[str, Path]:
    """Tools of the installed MMSegmentation by name."""
    folder = Path(mmseg.__file__).parent / '.mim' / 'tools'
    return {path.stem: path for path in sorted(folder.rglob('*.py')) if not path.stem.startswith('_')}


def completed(config: Path, folder: Path) -> Path:
    """A config with the number of classes of its data in every head, written into ``folder``; one that has it already,
    or that is no config of a network, stays where it is."""
    cfg = Config.fromfile(str(config))
    if not cfg.get('model'):
        return config
    model = complete_model(cfg)
    if model == cfg.model:
        return config
    cfg.model = model
    (folder / config.name).write_text(cfg.pretty_text, encoding='utf-8')
    return folder / config.name


def main(argv: Optional[Sequence[str]] = None) -> None:
    """Run ``argv`` = tool and its arguments; leaves the interpreter where the tool is refused."""
    arguments = list(sys.argv[1:] if argv is None else argv)
    known = tools()
    if not arguments or arguments[0] in ('-h', '--help'):
        print(f'{__doc__.splitlines()[0]}\n\ntools: {", ".join(sorted(set(known) - set(REPLACED)))}')
        return
    name = arguments[0][:-3] if arguments[0].endswith('.py') else arguments[0]
    if name in REPLACED:
        sys.exit(f"MMSegmentation's tool '{name}' is not for configs of mmseg_uda: {REPLACED[name]}")
    if name not in known:
        sys.exit(f"MMSegmentation has no tool '{name}'; there are {', '.join(sorted(known))}")
    if name in NEEDED and importlib.util.find_spec(NEEDED[name]) is None:
        sys.exit(f"MMSegmentation's tool '{name}' needs the package {NEEDED[name]}; {INSTEAD[name]}")
    with tempfile.TemporaryDirectory() as folder:
        rest = [
            str(completed(Path(word), Path(folder))) if word.endswith('.py') and Path(word).is_file() else word
            for word in arguments[1:]
        ]
        sys.argv = [str(known[name]), *rest]
        runpy.run_path(str(known[name]), run_name='__main__')


if __name__ == '__main__':
    main()

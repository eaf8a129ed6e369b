"""A trained network for use elsewhere (``tools/export.py``): weights, a plain config, a model card, graphs."""

from __future__ import annotations

import copy
import json
import os
import sys
from pathlib import Path
from typing import Any, Mapping, Optional, Sequence

import torch
from mmcv import Config
from mmseg.models import build_segmentor
from mmseg.models.segmentors import EncoderDecoder
from mmseg.utils import get_root_logger
from torch import nn

from ..datasets.class_names import class_names
from ..models.lora import merged_state
from ..options.export import parse_args
from ..utils.checkpoint_io import TRUST_VARIABLE, plain, replacing, save_checkpoint_file
from ..version import __version__
from . import environment
from .export_card import model_card, normalisation, processing
from .export_config import ExportError, exported_config, exported_model, unknown_to_stock
from .export_graph import check_has_graph, has_one_size, write_onnx, write_torchscript
from .export_mmseg1 import mmseg1_config
from .load import CONFIG, SAFE_WEIGHTS, WEIGHTS, palette_of
from .predict_inputs import resized_to, test_steps
from .test import load_method

#: scores of the exported and the trained network may differ by so much of the largest one (merged low-rank updates)
_TOLERANCE = 1e-4
_CHECKED = (128, 160)


def main(argv: Optional[Sequence[str]] = None) -> Path:
    """Write the folder and return it."""
    args = parse_args(argv)
    if args.trust_checkpoint:
        os.environ[TRUST_VARIABLE] = '1'
    cfg = environment.load_config(args.config, args.cfg_options)
    method, meta = load_method(cfg, args.checkpoint, args.network, get_root_logger(log_level='WARNING'))
    name = method.test_with
    tested = (cfg.get('uda') or {}).get('test_with') or type(method).default_test_with
    classes = method.CLASSES or class_names((cfg.get('data') or {}).get('test'))
    if classes is None:
        raise ExportError(f"neither '{args.checkpoint}' nor the test set of the config names the classes")
    palette = method.PALETTE or palette_of(cfg.data.get('test'), classes) or ()
    segmentor = method.inference_model
    if args.torchscript or args.onnx:
        check_has_graph(segmentor)
    model = exported_model(cfg)
    network = rebuilt(model, segmentor, name, _channels(cfg))
    values = exported_config(cfg, model, network, classes, palette)
    one = mmseg1_config(values) if 'mmseg1' in args.others else None  # refused before anything is written
    out = Path(args.out)
    out.mkdir(parents=True, exist_ok=True)
    files = _write_weights(out, network, values, meta, classes, palette)
    if one is not None:
        _write_text(out / 'config_mmseg1.py', Config(one).pretty_text)
        files['config_mmseg1.py'] = 'config for MMSegmentation 1.x, with `model.pth`'
    _write_graphs(out, args, cfg, network, classes, palette, files)
    card = model_card(
        cfg,
        Path(args.config).name,
        meta,
        Path(args.checkpoint),
        name,
        network,
        classes=classes,
        files=files,
        imports=(values.get('custom_imports') or {}).get('imports', []),
        remarks=remarks(model, values),
        is_tested=name == tested,
    )
    _write_text(out / 'README.md', card)
    print(f'{name} of {args.checkpoint} in {out}: {", ".join([*files, "README.md"])}', flush=True)
    return out


def _channels(cfg: Any) -> int:
    return len(normalisation(test_steps(cfg)).get('mean', (0, 0, 0)))


def rebuilt(model: Mapping[str, Any], segmentor: nn.Module, name: str, channels: int) -> Any:
    """The network that the exported config describes, with the weights of the trained one.

    Raises:
        ExportError: it is another network: the config cannot describe this one.
    """
    if not isinstance(segmentor, EncoderDecoder):
        raise ExportError(
            f"'{name}' is a {type(segmentor).__name__}, several networks that answer together, which one config "
            'cannot describe: export its members one at a time with --network'
        )
    network: Any = build_segmentor(copy.deepcopy(dict(model))).eval()
    try:
        network.load_state_dict(merged_state(segmentor.state_dict()), strict=True)
    except RuntimeError as error:
        raise ExportError(
            f"'{name}' has other parts than the model of the config, which a plain config cannot describe: "
            f'{" ".join(str(error).split())[:300]}'
        ) from error
    _check_equal(segmentor.eval(), network, name, channels)
    return network


def _check_equal(segmentor: Any, network: Any, name: str, channels: int) -> None:
    """Compare scores at the first size that the trained network takes: a small one, or its own window.

    Raises:
        ExportError: they differ, or only one of both networks takes the image.
    """
    window = segmentor.test_cfg.get('crop_size')
    for height, width in (_CHECKED, *([tuple(window)] if window else [])):
        img = torch.randn((1, channels, height, width), generator=torch.Generator().manual_seed(0))
        with torch.no_grad():
            wanted, found = (_scores(one, img) for one in (segmentor, network))
        if wanted is None and found is None:
            continue
        if wanted is None or found is None:
            difference = float('inf')
        else:
            difference = float((wanted - found).abs().max()) / max(float(wanted.abs().max()), 1.0)
        if not difference <= _TOLERANCE:
            raise ExportError(
                f"the plain config of '{name}' gives other scores than the trained network (by {difference:.2g} of the "
                'largest one): this is an error of mmseg_uda, please report it with your config'
            )
        return
    print(
        f"not compared: '{name}' takes no image of {_CHECKED[0]}x{_CHECKED[1]} and names no window (test_cfg.crop_size)"
        ' that it takes: compare a prediction of the exported network with one of the run yourself',
        file=sys.stderr,
    )


def _scores(segmentor: Any, img: torch.Tensor) -> Optional[torch.Tensor]:
    """Scores of an image; None of a network that takes no image of this size."""
    try:
        return segmentor.encode_decode(img, None).float()
    except (RuntimeError, ValueError):
        return None


def _write_weights(
    out: Path,
    network: nn.Module,
    values: Mapping[str, Any],
    meta: Mapping[str, Any],
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
) -> dict[str, str]:
    from safetensors.torch import save

    state = {key: value.detach().clone().contiguous() for key, value in network.state_dict().items()}
    about = plain(
        dict(
            CLASSES=classes,
            PALETTE=palette,
            dataset_meta=dict(classes=classes, palette=palette),
            iter=meta.get('iter'),
            seed=meta.get('seed'),
            mmseg_uda=__version__,
        )
    )
    save_checkpoint_file(dict(meta=about, state_dict=state), out / WEIGHTS)
    with replacing(out / SAFE_WEIGHTS) as temporary:
        # not save_file, which makes a file that only its owner may read
        temporary.write_bytes(save(state, metadata=dict(format='pt', classes=json.dumps(list(classes)))))
    _write_text(out / CONFIG, Config(dict(values)).pretty_text)
    return {
        CONFIG: 'config of the network and of its test transforms, for MMSegmentation 0.30',
        WEIGHTS: 'weights, class names and colours',
        SAFE_WEIGHTS: 'the same weights in a format that cannot hold code',
    }


def _write_graphs(
    out: Path,
    args: Any,
    cfg: Any,
    network: Any,
    classes: Sequence[str],
    palette: Sequence[Sequence[int]],
    files: dict[str, str],
) -> None:
    """TorchScript and ONNX as asked for, and how to use them; ``files`` gets their names."""
    steps, channels = test_steps(cfg), _channels(cfg)
    fixed = args.fixed_size or has_one_size(network)
    wanted = args.torchscript or args.onnx
    size = graph_size(args.size, network, steps) if fixed and wanted else None
    if args.size and not fixed:
        raise ExportError(
            '--size is for a graph of one size, and this one takes any: leave it out, or add --fixed-size'
        )
    text = 'any batch and size' if size is None else f'inputs of {size[0]} x {size[1]} pixels, one at a time'
    differences: dict[str, float] = {}
    if args.torchscript:
        differences['model.ts'] = write_torchscript(network, out / 'model.ts', channels, size)
        files['model.ts'] = f'TorchScript graph from normalised images to class scores, for {text}'
    if args.onnx:
        differences['model.onnx'] = write_onnx(network, out / 'model.onnx', channels, size)
        files['model.onnx'] = f'ONNX graph from normalised images to class scores, for {text}'
    about = processing(steps, network, classes, palette, size, differences)
    _write_text(out / 'processing.json', json.dumps(about, indent=1) + '\n')
    files['processing.json'] = 'how images are prepared and scores are read, for use without MMSegmentation'
    for name, value in differences.items():
        print(f'{name}: {text}; largest difference from the network {value:.1e} of the largest score', flush=True)


def graph_size(given: Optional[Sequence[int]], network: Any, steps: Sequence[Any]) -> tuple[int, int]:
    """(height, width) of a graph of one size: as given, the sliding window, or what the test pipeline resizes to.

    Raises:
        ExportError: none of these says a size.
    """
    test_cfg = network.test_cfg or {}
    if given:
        return int(given[0]), int(given[1])
    if test_cfg.get('mode') == 'slide':
        return int(test_cfg['crop_size'][0]), int(test_cfg['crop_size'][1])
    size = resized_to(steps)
    if size is not None:
        return size
    raise ExportError(
        'the graph of this network is for one size of input, and the config tests with images of any size: '
        'give --size HEIGHT WIDTH'
    )


def remarks(model: Mapping[str, Any], values: Mapping[str, Any]) -> list[str]:
    """What a user of the config in another program has to know."""
    found = []
    for key in unknown_to_stock(model):
        found.append(
            f'`test_cfg.{key}` is known to mmseg_uda alone: MMSegmentation averages the scores of overlapping windows, '
            'so that its masks differ a little from those of `mmseg_uda.load`.'
        )
    first = values['data']['test']['pipeline'][0]
    if first.get('color_type', 'color') != 'color' or first.get('imdecode_backend') == 'tifffile':
        found.append(
            '`inference_segmentor` of MMSegmentation reads every file as three colour channels: give it the array '
            f'instead (`color_type={first.get("color_type")!r}`), or use `mmseg_uda.load`.'
        )
    return found


def _write_text(path: Path, text: str) -> None:
    with replacing(path) as temporary:
        temporary.write_text(text, encoding='utf-8')

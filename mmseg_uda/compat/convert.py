"""Converting checkpoint files (``tools/convert_checkpoint.py``)."""

from __future__ import annotations

import argparse
import os
from typing import Any, Optional, Sequence

import mmcv
from torch import Tensor

from ..utils import checkpoint_io as files
from ..utils.checkpoint_io import CheckpointError
from .keys import ours_to_published, published_to_ours
from .keys_advent import ours_to_advent

TARGETS = {
    'ours': published_to_ours,
    'published': ours_to_published,
    'student': lambda state: ours_to_published(state, prefixed=False),
    'advent': lambda state: ours_to_advent({key: value for key, value in state.items() if not key.startswith('uda.')}),
}


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description='Convert SegFormer, DAFormer, HRDA and MIC checkpoints to the names of this package, or back.'
    )
    parser.add_argument('source', help='checkpoint to read')
    parser.add_argument('target', help='checkpoint to write')
    parser.add_argument(
        '--to',
        choices=sorted(TARGETS),
        default='ours',
        help="'ours' (default), 'published' (student and teacher of a DAFormer-family run) or 'student' (alone, "
        "published names), or 'advent' (DeepLabV2 of the ADVENT lineage)",
    )
    parser.add_argument(
        '--config',
        help="config whose student must take the converted weights without a missing or left-over key (with --to ours)",
    )
    parser.add_argument(
        files.TRUST_FLAG,
        action='store_true',
        help='unpickle the source fully (published files often hold more than weights); only if you trust its origin',
    )
    args = parser.parse_args(argv)
    if args.config and args.to != 'ours':
        parser.error('--config checks weights with the names of this package: it needs --to ours')
    return args


def main(argv: Optional[Sequence[str]] = None) -> dict[str, Tensor]:
    """Run the tool; returns the converted weights."""
    args = parse_args(argv)
    if args.trust_checkpoint:
        os.environ[files.TRUST_VARIABLE] = '1'
    checkpoint = files.load_checkpoint_file(args.source)
    try:
        state = TARGETS[args.to](files.state_dict_of(checkpoint))
    except KeyError as error:
        raise CheckpointError(f"'{args.source}' cannot be converted: {error.args[0]}") from error
    if args.config:
        check_against_config(state, args.config, args.source)
    meta = checkpoint.get('meta') or {}
    files.save_checkpoint_file(dict(meta=kept_meta(meta), state_dict=state), args.target)
    print(f"wrote {len(state)} tensors to '{args.target}'")
    return state


def kept_meta(meta: dict[str, Any]) -> dict[str, Any]:
    """Class names and palette, as plain types: what testing needs. Everything else describes the run that wrote the
    file."""
    return {key: files.plain(meta[key]) for key in ('CLASSES', 'PALETTE') if meta.get(key) is not None}


def check_against_config(state: dict[str, Tensor], config: str, source: str) -> None:
    """Fail unless the student of ``config`` takes the weights exactly.

    Raises:
        CheckpointError: names missing, left-over and wrongly sized keys.
    """
    from mmseg.models import build_segmentor

    cfg = mmcv.Config.fromfile(config)
    cfg.model.pretrained = None
    own = build_segmentor(cfg.model, cfg.get('train_cfg'), cfg.get('test_cfg')).state_dict()
    student = {key: value for key, value in state.items() if not key.startswith('uda.')}
    problems = {
        'missing': [key for key in own if key not in student],
        'left over': [key for key in student if key not in own],
        'of another size': [key for key in own if key in student and own[key].shape != student[key].shape],
    }
    found = [f"{len(keys)} {kind} ({', '.join(keys[:3])})" for kind, keys in problems.items() if keys]
    if found:
        raise CheckpointError(f"'{source}' does not fit the network of '{config}': {'; '.join(found)}")

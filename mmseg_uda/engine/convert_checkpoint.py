"""Converting checkpoint files (``tools/convert_checkpoint.py``)."""

from __future__ import annotations

import os
from typing import Any, Mapping, Optional, Sequence

import mmcv
from torch import Tensor

from ..compat.keys import below, ours_to_published, published_to_ours
from ..compat.keys_advent import ours_to_advent
from ..compat.keys_coast import coast_to_ours, is_coast, ours_to_coast, released_file, released_weights
from ..compat.keys_dstc import ours_to_dstc
from ..compat.keys_stal import is_stal, stal_checkpoint, stal_to_ours
from ..compat.keys_vfm import ours_to_vfm
from ..compat.keys_video import ours_to_video
from ..models.lora import merged_state
from ..options.convert_checkpoint import parse_args
from ..utils import checkpoint_io as files
from ..utils.checkpoint_io import CheckpointError

TARGETS = {
    'ours': published_to_ours,
    'published': ours_to_published,
    'student': lambda state: ours_to_published(state, prefixed=False),
    'advent': lambda state: ours_to_advent(_student(state)),
    'coast': ours_to_coast,
    'dstc': lambda state: ours_to_dstc(_student(state)),
    'video': lambda state: ours_to_video(_student(state)),
    'target_branch': lambda state: target_branch(state),
    'vfm': ours_to_vfm,
    'merged': lambda state: with_merged_lora(state),
}


def _student(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {key: value for key, value in state.items() if not key.startswith('uda.')}


def target_branch(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """DSTC's second network."""
    branch = below(state, 'uda.target_branch.')
    if not branch:
        raise KeyError('it holds no target branch: only checkpoints of DSTC do')
    return branch


def with_merged_lora(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The student of a run with LoRA as an ordinary network."""
    merged = merged_state(_student(state))
    if merged.keys() == _student(state).keys():
        raise KeyError('it holds no low-rank updates (lora): there is nothing to merge')
    return merged


def main(argv: Optional[Sequence[str]] = None) -> dict[str, Tensor]:
    """Run the tool; returns the converted weights."""
    args = parse_args(argv)
    if args.trust_checkpoint:
        os.environ[files.TRUST_VARIABLE] = '1'
    checkpoint = files.load_checkpoint_file(args.source)
    try:
        state = converted(checkpoint, args.to, args.domain_heads)
    except KeyError as error:
        raise CheckpointError(f"'{args.source}' cannot be converted: {error.args[0]}") from error
    if args.config:
        check_against_config(state, args.config, args.source)
    meta = checkpoint.get('meta') or {}
    file = released_file(state) if args.to == 'coast' else dict(meta=kept_meta(meta), state_dict=state)
    files.save_checkpoint_file(file, args.target)
    print(f"wrote {len(state)} tensors to '{args.target}'; {unused(checkpoint, state)}")
    return state


def unused(checkpoint: Mapping[str, Any], state: Mapping[str, Tensor], limit: int = 5) -> str:
    """Which tensors of the source are not in the result as they were, in words."""
    released = released_weights(checkpoint)
    source = files.state_dict_of(checkpoint if released is None else released)
    kept = {id(value) for value in state.values()}
    names = [key for key, value in source.items() if id(value) not in kept]
    more = ' ...' if len(names) > limit else ''
    listed = f': {", ".join(names[:limit])}{more}' if names else ''
    return f'{len(names)} of {len(source)} tensors of the source were dropped, merged or reshaped{listed}'


def converted(checkpoint: Mapping[str, Any], to: str, domain_heads: Optional[int] = None) -> dict[str, Tensor]:
    """The weights of a loaded file under the names of ``to``.

    Raises:
        KeyError: the file belongs to a network that cannot take these names.
    """
    released = released_weights(checkpoint)
    state = files.state_dict_of(checkpoint if released is None else released)
    if to == 'ours' and is_coast(state):
        return coast_to_ours(state, domain_heads)
    if domain_heads is not None:
        raise KeyError('--domain-heads is for released CoaST networks')
    student_and_teacher = stal_checkpoint(checkpoint)
    if to == 'ours' and (student_and_teacher is not None or is_stal(state)):
        return stal_to_ours(state) if student_and_teacher is None else student_and_teacher
    return TARGETS[to](state)


def kept_meta(meta: dict[str, Any]) -> dict[str, Any]:
    """Class names and palette, as plain types: what testing needs. Everything else describes the run that wrote the
    file."""
    return {key: files.plain(meta[key]) for key in ('CLASSES', 'PALETTE') if meta.get(key) is not None}


def check_against_config(state: dict[str, Tensor], config: str, source: str) -> None:
    """Fail unless the student of ``config`` takes the weights exactly.

    Raises:
        CheckpointError: names missing, left-over and wrongly sized keys.
    """
    from ..builder import build_train_model

    cfg = mmcv.Config.fromfile(config)
    cfg.model.pretrained = None
    own = {key: value for key, value in build_train_model(cfg).state_dict().items() if not key.startswith('uda.')}
    student = {key: value for key, value in state.items() if not key.startswith('uda.')}
    problems = {
        'missing': [key for key in own if key not in student],
        'left over': [key for key in student if key not in own],
        'of another size': [key for key in own if key in student and own[key].shape != student[key].shape],
    }
    found = [f'{len(keys)} {kind} ({", ".join(keys[:3])})' for kind, keys in problems.items() if keys]
    if found:
        raise CheckpointError(f"'{source}' does not fit the network of '{config}': {'; '.join(found)}")

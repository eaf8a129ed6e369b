"""The one rule by which class lists agree: of data sets with each other, and of checkpoints with data sets."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence

from .checkpoint_io import CheckpointError


def same_classes(first: Sequence[str], second: Sequence[str]) -> bool:
    """Whether two lists name the same classes in the same order; case, ``_`` and ``-`` do not matter."""
    return [_plain(name) for name in first] == [_plain(name) for name in second]


def class_difference(found: Sequence[str], wanted: Sequence[str], whom: str) -> Optional[str]:
    """How a list of classes differs from that of ``whom``, to follow "has" in a sentence; None when they agree."""
    if same_classes(found, wanted):
        return None
    if len(found) != len(wanted):
        how = f'{"more" if len(found) > len(wanted) else "fewer"} classes ({len(found)} instead of {len(wanted)})'
    elif same_classes(sorted(found), sorted(wanted)):
        how = 'the same classes in another order'
    else:
        first = next(i for i, (a, b) in enumerate(zip(found, wanted)) if not same_classes([a], [b]))
        how = f"other classes (number {first} is '{found[first]}' instead of '{wanted[first]}')"
    return f'{how} than {whom}: [{_listed(found)}] and [{_listed(wanted)}]'


def classes_of(meta: Optional[Mapping[str, Any]]) -> Optional[list[str]]:
    """Class names in the meta data of a checkpoint of this package, of MMSegmentation 0.x or 1.x; None without."""
    meta = meta or {}
    names = meta.get('CLASSES') or (meta.get('dataset_meta') or {}).get('classes')
    return list(names) if isinstance(names, (list, tuple)) else None


def checkpoint_difference(meta: Optional[Mapping[str, Any]], classes: Optional[Sequence[str]]) -> Optional[str]:
    """How the classes of a checkpoint differ from those of the data; None when they agree or one has no names."""
    theirs = classes_of(meta)
    return None if theirs is None or classes is None else class_difference(theirs, classes, 'the data')


def check_same_classes(meta: Optional[Mapping[str, Any]], classes: Optional[Sequence[str]], source: Any) -> None:
    """Refuse to predict, to label or to go on with the classes of a checkpoint under other names.

    Args:
        meta: of the checkpoint; one without class names passes.
        classes: of the data; None passes.
        source: the checkpoint, for the message.

    Raises:
        CheckpointError: another number, order or other names.
    """
    difference = checkpoint_difference(meta, classes)
    if difference is not None:
        raise CheckpointError(
            f"the network in '{source}' has {difference}. Its answers would stand under wrong names: give the data set "
            'the same classes=[...], in the same order'
        )


def _plain(name: str) -> str:
    return ' '.join(str(name).lower().replace('_', ' ').replace('-', ' ').split())


def _listed(names: Sequence[str]) -> str:
    return ', '.join(map(str, names[:6])) + (', ...' if len(names) > 6 else '')

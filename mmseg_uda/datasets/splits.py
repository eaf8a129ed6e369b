"""Seeded splits of a target set into a labelled and an unlabelled list."""

from __future__ import annotations

import random
from collections import Counter
from pathlib import Path
from typing import Any, Collection, Iterable, Mapping, Optional, Sequence

from ..options.make_ssda_split import STRATEGIES, UNLABELED
from ..streams import LABELED_TARGET
from .class_stats import dataset_stats
from .known_labels import image_indices
from .pseudo_label_dataset import PseudoLabelDataset


def shuffled(names: Iterable[str], seed: int) -> list[str]:
    """The names in an order that depends on the seed and on nothing else: sorted, then shuffled by Python's
    ``random``, as the semi-supervised literature does.
    """
    order = sorted(names)
    random.Random(seed).shuffle(order)
    return order


def balanced_over_folders(order: Sequence[str]) -> list[str]:
    """Reorder so that every beginning of the list takes the same number of images (give or take one) from each
    folder, while the folders last. Cityscapes has a folder per city.
    """
    turn: Counter[str] = Counter()
    keys = []
    for position, name in enumerate(order):
        folder = name.rpartition('/')[0]
        keys.append((turn[folder], position))
        turn[folder] += 1
    return [order[position] for _, position in sorted(keys)]


def balanced_over_classes(order: Sequence[str], classes: Mapping[str, Collection[int]]) -> list[str]:
    """Reorder so that every class soon has labelled images: each next image is the first one with the class that
    fewest images have so far (of equal ones the class that is rarest in the whole set).

    Args:
        order: image names.
        classes: the classes of every image. This looks at the labels of all images, which a real few-label setting
            cannot.
    """
    left = list(order)
    totals = Counter(cls for name in left for cls in classes[name])
    remaining, taken = Counter(totals), Counter(dict.fromkeys(totals, 0))
    chosen = []
    while left:
        open_classes = [cls for cls, count in remaining.items() if count]
        wanted = min(open_classes, key=lambda cls: (taken[cls], totals[cls], cls), default=None)
        name = next(name for name in left if wanted is None or wanted in classes[name])
        left.remove(name)
        remaining.subtract(classes[name])
        taken.update(classes[name])
        chosen.append(name)
    return chosen


def labelled_split(
    names: Iterable[str],
    number: int,
    seed: int,
    strategy: str = 'random',
    unlabeled: str = 'complement',
    classes: Optional[Mapping[str, Collection[int]]] = None,
) -> tuple[list[str], list[str]]:
    """Split names; the same seed and strategy give nested splits (the first 100 are among the first 200).

    Args:
        names: image names in any order.
        number: how many are labelled.
        seed: of the shuffle that all strategies start from.
        strategy: ``random``, ``folders`` (:func:`balanced_over_folders`) or ``classes``
            (:func:`balanced_over_classes`).
        unlabeled: ``complement``: the other images; ``all``: all images, the labelled ones too.
        classes: the classes of every image, for the strategy ``classes``.

    Returns:
        Labelled and unlabelled names, in the order of the shuffle.

    Raises:
        ValueError: a list would be empty, or an unknown strategy.
    """
    if strategy not in STRATEGIES or unlabeled not in UNLABELED:
        raise ValueError(
            f"strategy is one of {STRATEGIES}, unlabeled one of {UNLABELED}; got '{strategy}', '{unlabeled}'"
        )
    order = shuffled(names, seed)
    most = len(order) - (unlabeled == 'complement')
    if not 0 < number <= most:
        remedy = "; unlabeled='all' also allows all of them" if number == len(order) else ''
        raise ValueError(f'{number} labelled of {len(order)} images leaves an empty list; use 1..{most}{remedy}')
    if strategy == 'folders':
        order = balanced_over_folders(order)
    elif strategy == 'classes':
        if classes is None:
            raise ValueError("strategy 'classes' needs the classes of every image: give the data set an ann_dir")
        order = balanced_over_classes(order, classes)
    return order[:number], order[number:] if unlabeled == 'complement' else order


def image_names(dataset: Any) -> list[str]:
    """The entries of a split list for the images of a data set: names without suffix, relative to ``img_dir``."""
    stems = []
    for info in dataset.img_infos:
        suffix = next(suffix for suffix in dataset.img_suffixes if info['filename'].endswith(suffix))
        stems.append(info['filename'][: -len(suffix)])
    return stems


def image_classes(dataset: Any) -> dict[str, Collection[int]]:
    """The classes in the label map of every image, by name.

    Raises:
        ValueError: the data set has no label folder.
    """
    return {name: counts.keys() for name, (_, counts) in zip(image_names(dataset), dataset_stats(dataset))}


def check_held_out(training: Any, evaluation: Mapping[str, Any]) -> None:
    """Refuse labelled target images that are evaluated as well: their score would be that of training images.

    Args:
        training: a :class:`~mmseg_uda.datasets.uda_dataset.UDADataset`.
        evaluation: data sets by name.

    Raises:
        ValueError: names the first image that is in both.
    """
    labeled = training.streams.get(LABELED_TARGET)
    if labeled is None:
        return
    true = [part for part in labeled.parts if not isinstance(part, PseudoLabelDataset)]  # which reads no ground truth
    trained = image_indices(true)
    for name, dataset in evaluation.items():
        shared = sorted(path for path in image_indices([dataset]) if path in trained)
        if shared:
            raise ValueError(
                f"{len(shared)} images of '{LABELED_TARGET}' are also evaluated ({name} of data.val; first: "
                f'{shared[0]}): take them out of '
                'the labelled split list or of the validation set'
            )


def write_lists(
    dataset: Any,
    number: int,
    seed: int,
    folder: Path,
    strategy: str = 'random',
    unlabeled: str = 'complement',
    prefix: str = 'train',
) -> tuple[Path, Path]:
    """Write ``<prefix>_labeled_<number>_seed<seed>.txt`` and the unlabelled list; returns their paths.

    Other strategies than ``random`` stand before ``_seed``; an unlabelled list of all images is called
    ``<prefix>_all_seed<seed>.txt``.
    """
    folder.mkdir(parents=True, exist_ok=True)
    classes = image_classes(dataset) if strategy == 'classes' else None
    lists = labelled_split(image_names(dataset), number, seed, strategy, unlabeled, classes)
    tag = '' if strategy == 'random' else f'_{strategy}'
    labelled, rest = f'labeled_{number}{tag}', f'unlabeled_{number}{tag}' if unlabeled == 'complement' else f'all{tag}'
    paths = [folder / f'{prefix}_{kind}_seed{seed}.txt' for kind in (labelled, rest)]
    for path, names in zip(paths, lists):
        path.write_text(''.join(f'{name}\n' for name in names), encoding='utf-8')
    return paths[0], paths[1]

"""Seeded splits of a target set into a labelled and an unlabelled list."""
from __future__ import annotations

import random
from pathlib import Path
from typing import Any, Iterable


def labelled_split(names: Iterable[str], number: int, seed: int) -> tuple[list[str], list[str]]:
    """Split names at random; the same seed gives nested splits (the first 100 are among the first 200).

    Args:
        names: image names in any order; they are sorted first.
        number: how many are labelled.
        seed: of Python's ``random`` module, as the semi-supervised literature shuffles.

    Returns:
        Labelled and unlabelled names, in shuffled order.

    Raises:
        ValueError: ``number`` leaves one of the lists empty.
    """
    order = sorted(names)
    if not 0 < number < len(order):
        raise ValueError(f'{number} labelled of {len(order)} images leaves an empty list; use 1..{len(order) - 1}')
    random.Random(seed).shuffle(order)
    return order[:number], order[number:]


def image_names(dataset: Any) -> list[str]:
    """The entries of a split list for the images of a data set: names without suffix, relative to ``img_dir``."""
    stems = []
    for info in dataset.img_infos:
        suffix = next(suffix for suffix in dataset.img_suffixes if info['filename'].endswith(suffix))
        stems.append(info['filename'][: -len(suffix)])
    return stems


def write_lists(dataset: Any, number: int, seed: int, folder: Path) -> tuple[Path, Path]:
    """Write ``train_labeled_<number>_seed<seed>.txt`` and its complement; returns their paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    for kind, names in zip(('labeled', 'unlabeled'), labelled_split(image_names(dataset), number, seed)):
        paths.append(folder / f'train_{kind}_{number}_seed{seed}.txt')
        paths[-1].write_text(''.join(f'{name}\n' for name in names), encoding='utf-8')
    return paths[0], paths[1]

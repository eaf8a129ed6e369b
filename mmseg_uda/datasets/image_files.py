"""Which files of a folder or a list are images: the one rule of training, checks, statistics and prediction.

A file is an image when its suffix is one of the data set's, capital letters or not, when neither it nor a folder above
it (below the image folder) is hidden, and when it is no label file. A folder is entered once, whatever links lead to
it.
"""

from __future__ import annotations

import codecs
import os
import os.path as osp
from collections import defaultdict
from pathlib import Path
from typing import Collection, Iterable, Iterator, Optional, Sequence

from ..utils.paths import leaves_folder

#: suffixes of images where a data set names none
IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp')
#: what archives and file servers leave behind, beside names that begin with a dot
_HIDDEN_FOLDERS = ('__macosx', '@eadir')
#: names of folders that hold label maps when their files are called as the images beside them
_LABEL_FOLDERS = {
    *('label', 'labels', 'labelids', 'labels_raw', 'mask', 'masks', 'gt', 'gts', 'groundtruth', 'ground_truth'),
    *('ann', 'anns', 'ann_dir', 'annotation', 'annotations', 'seg', 'segmentation', 'segmentations', 'seg_maps'),
}
_BYTE_ORDER_MARKS = ((codecs.BOM_UTF8, 'utf-8-sig'), (codecs.BOM_UTF16_LE, 'utf-16'), (codecs.BOM_UTF16_BE, 'utf-16'))

#: name without suffix, relative to the image folder with '/' between folders; suffix as it is written
ImageName = tuple[str, str]


def is_hidden(name: str) -> bool:
    """Whether a relative path, or a folder above, is hidden: ``._x.jpg``, ``.ipynb_checkpoints/x.jpg``."""
    parts = [part for part in name.split('/') if part not in ('.', '..')]
    return any(part.startswith('.') or part.lower() in _HIDDEN_FOLDERS for part in parts)


def suffix_of(name: str, suffixes: Sequence[str]) -> Optional[str]:
    """The end of ``name`` that is one of ``suffixes`` but for capital letters, as it is written; None without one."""
    lower = name.lower()
    return next((name[len(name) - len(s) :] for s in suffixes if lower.endswith(s.lower())), None)


def walk_files(root: str) -> Iterator[str]:
    """All files below a folder, hidden ones too: paths relative to it, '/' between folders, in a fixed order.

    Links to folders are followed, but a folder is entered once (a real folder rather than a link to it), and none that
    holds ``root``.
    """
    top, seen, pending = osp.realpath(root), set(), [root]
    while pending:
        links = []
        for start in pending:
            if osp.realpath(start) in seen:
                continue
            for folder, folders, files in os.walk(start):
                seen.add(osp.realpath(folder))
                linked = {name for name in folders if osp.islink(osp.join(folder, name))}
                links += [osp.join(folder, name) for name in linked if not _holds(osp.join(folder, name), top)]
                folders[:] = sorted(
                    name for name in folders if name not in linked and osp.realpath(osp.join(folder, name)) not in seen
                )
                prefix = osp.relpath(folder, root).replace(os.sep, '/')
                for name in sorted(files):
                    yield name if prefix == '.' else f'{prefix}/{name}'
        pending = sorted(links)


def _holds(link: str, top: str) -> bool:
    """Whether a link leads to a folder that is, or is above, ``top``."""
    return osp.commonpath([osp.realpath(link), top]) == osp.realpath(link)


def folder_below(folder: Optional[str], root: str) -> Optional[str]:
    """``folder`` relative to ``root`` with '/' when it lies in it ('.' when it is the same), else None."""
    if not folder:
        return None
    inner, outer = osp.realpath(folder), osp.realpath(root)
    return osp.relpath(inner, outer).replace(os.sep, '/') if _holds(root, inner) and osp.isdir(outer) else None


def find_images(
    root: str, suffixes: Sequence[str], label_dir: Optional[str] = None, label_suffixes: Sequence[str] = ()
) -> list[ImageName]:
    """The images of a folder and the folders below, sorted.

    Args:
        root: the image folder.
        suffixes: of images; capital letters do not matter.
        label_dir: the label folder; when it lies in ``root`` its files are no images, and when it is ``root`` the files
            that are labels of others are none.
        label_suffixes: what replaces the suffix of an image in the name of its label.

    Raises:
        ValueError: two files that differ in their suffix only.
    """
    names = [
        (name[: len(name) - len(suffix)], suffix)
        for name in walk_files(root)
        if not is_hidden(name) and (suffix := suffix_of(name, suffixes)) is not None
    ]
    labels = label_files(names, folder_below(label_dir, root), label_suffixes)
    names = [(stem, suffix) for stem, suffix in names if stem + suffix not in labels]
    check_unique(names, root)
    return sorted(names)


def label_files(names: Sequence[ImageName], label_dir: Optional[str], label_suffixes: Sequence[str]) -> set[str]:
    """Those of the candidates that are label files.

    Args:
        label_dir: the label folder relative to the image folder, from :func:`folder_below`.
    """
    found = set()
    if label_dir == '.':
        written = {(stem + suffix).lower(): stem + suffix for stem, suffix in names}
        for stem, suffix in names:
            labels = {written.get(f'{stem}{end}'.lower()) for end in label_suffixes}
            found |= {label for label in labels if label is not None and label != stem + suffix}
    elif label_dir is not None:
        found |= {stem + suffix for stem, suffix in names if stem.startswith(f'{label_dir}/')}
    return found | _files_of_label_folders(names)


def _files_of_label_folders(names: Sequence[ImageName]) -> set[str]:
    """The files below folders called ``labels``, ``masks`` ... of which most are called as images elsewhere."""
    inside: dict[str, list[ImageName]] = defaultdict(list)
    images = set()
    for stem, suffix in names:
        folders = stem.split('/')[:-1]
        depth = next((i for i, folder in enumerate(folders) if folder.lower() in _LABEL_FOLDERS), None)
        if depth is None:
            images.add(stem.rsplit('/', 1)[-1])
        else:
            inside['/'.join(folders[: depth + 1])].append((stem, suffix))
    found = set()
    for members in inside.values():
        if 2 * sum(_is_called_as(stem.rsplit('/', 1)[-1], images) for stem, _ in members) > len(members):
            found |= {stem + suffix for stem, suffix in members}
    return found


def _is_called_as(name: str, images: Collection[str]) -> bool:
    """Whether ``name`` is an image's, perhaps with an addition: ``x``, ``x_mask``, ``x-labels``."""
    return name in images or any(name[:i] in images for i in range(1, len(name)) if name[i] in '_-. ')


def check_unique(names: Iterable[ImageName], root: str) -> None:
    """Refuse files of the same name.

    Raises:
        ValueError: names two of them and the remedy.
    """
    first: dict[str, str] = {}
    for stem, suffix in names:
        if stem in first:
            raise ValueError(
                f"'{stem}{first[stem]}' and '{stem}{suffix}' in {root} have the same name: one of them may be the "
                f"label of the other. Say which are images with img_suffix (img_suffix='{first[stem]}'), or move the "
                'labels into a folder of their own and name it with ann_dir'
            )
        first[stem] = suffix


def check_relative(name: str, split: str) -> None:
    """Refuse an entry of a list file that leaves the data root.

    Raises:
        ValueError: an absolute path or one with ``..``.
    """
    if leaves_folder(name):
        raise ValueError(
            f"'{name}' in {split} leaves the data root: entries of a split list are relative paths without '..'. "
            'If you trust the list, set allow_outside_root=True.'
        )


def read_list(path: str) -> list[str]:
    """The entries of a list file, one a line: any line ends, with or without byte order mark, blanks and empty lines
    left out.

    Raises:
        FileNotFoundError: no such file. ValueError: it is no text.
    """
    if not osp.isfile(path):
        raise FileNotFoundError(f'the split list {path} does not exist; check data_root and split')
    data = Path(path).read_bytes()
    encoding = next((name for mark, name in _BYTE_ORDER_MARKS if data.startswith(mark)), 'utf-8')
    try:
        text = data.decode(encoding)
    except UnicodeDecodeError as error:
        raise ValueError(f'the split list {path} is no UTF-8 text ({error}): save it as UTF-8') from None
    return [entry for line in text.splitlines() if (entry := line.strip().strip('\ufeff'))]


def find_listed(
    root: str,
    entries: Sequence[str],
    suffixes: Sequence[str],
    label_dir: Optional[str] = None,
    label_suffixes: Sequence[str] = (),
) -> tuple[list[ImageName], list[str]]:
    """Look up the entries of a list: names without suffix, or whole file names.

    Args:
        root, suffixes, label_dir, label_suffixes: as in :func:`find_images`.

    Returns:
        (images in the order of the list, hidden ones left out; entries that are no image below ``root``).

    Raises:
        ValueError: an entry stands for two files that differ in their suffix only.
    """
    folders: dict[str, set[str]] = {}
    inside = folder_below(label_dir, root)
    names, unknown = [], []
    for entry in entries:
        found: list[ImageName] = []
        for name in dict.fromkeys((entry, entry.replace('\\', '/'))):
            folder = name.rpartition('/')[0]
            if folder not in folders:
                path = osp.join(root, folder)
                folders[folder] = set(os.listdir(path)) if osp.isdir(path) else set()
            found = found or _of_one_name(name, folders[folder], suffixes)
        if len(found) > 1:
            labels = label_files(found, inside, label_suffixes)
            found = [(stem, suffix) for stem, suffix in found if stem + suffix not in labels]
            check_unique(found, root)
        if not found:
            unknown.append(entry)
        names += [name for name in found if not is_hidden(osp.basename(name[0]) if osp.isabs(name[0]) else name[0])]
    return names, unknown


def _of_one_name(name: str, files: Collection[str], suffixes: Sequence[str]) -> list[ImageName]:
    """The files of a folder that an entry of a list may mean."""
    base = name.rpartition('/')[2]
    own = suffix_of(base, suffixes)
    if own and base in files:
        return [(name[: len(name) - len(own)], own)]
    ends = {end for s in suffixes for end in (s, s.lower(), s.upper(), s.title()) if base + end in files}
    return [(name, end) for end in sorted(ends)]

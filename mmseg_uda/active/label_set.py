"""The growing label set as files: a manifest with every purchase, and the lists that training reads."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import tempfile
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Iterator, Optional, Sequence

from ..utils.checkpoint_io import replacing
from ..utils.locks import LockedError, folder_lock

FORMAT = 1
MANIFEST = 'manifest.json'


class LabelSetError(RuntimeError):
    """A label set that does not fit what is asked of it; the message names the folder and the remedy."""


@dataclass
class Purchase:
    """One finished round.

    Attributes:
        round: 0 = the initial set.
        acquisition: its class name, or ``initial``.
        images: names bought as a whole (image level), in the order of their score; empty at region level.
        pixels: pixels that were paid for; ``ignored_pixels`` of them have no class.
        regions: number of regions (region level).
        checkpoint: file of the network that scored the images, or seed and iteration of a run that buys by itself.
    """

    round: int
    acquisition: str
    images: list[str] = field(default_factory=list)
    pixels: int = 0
    ignored_pixels: int = 0
    regions: int = 0
    checkpoint: Optional[str] = None


class LabelSet:
    """A folder that holds what has been bought so far.

    ``manifest.json`` is the truth and is replaced atomically once per round; a purchase is either all in it or not at
    all. The lists ``rounds/round_NN/{labeled,unlabeled}.txt`` (names without suffix, MMSeg's split format) and their
    newest copies in the folder are derived.

    Args:
        folder: created when missing.
        level: ``image`` or ``region``.
        names: of all images of the pool.
        digest: fingerprint of the pool.
        pool_pixels: pixels of the whole pool, for shares; None when unknown.
    """

    def __init__(
        self,
        folder: os.PathLike[str] | str,
        level: str,
        names: Sequence[str],
        digest: str,
        pool_pixels: Optional[int] = None,
    ) -> None:
        self.folder = Path(folder)
        self.level = level
        self.names = list(names)
        self.digest = digest
        self.folder.mkdir(parents=True, exist_ok=True)
        self.purchases: list[Purchase] = []
        self.pool_pixels = pool_pixels
        self._locked = False
        if self.manifest.is_file():
            self._read()
        else:
            self._write()

    @staticmethod
    def lies_in(folder: Path) -> bool:
        """Whether a folder holds a label set."""
        return (folder / MANIFEST).is_file()

    def take_over(self, other: Path) -> None:
        """Replace this label set, into which nothing was bought yet, by a copy of another one, as a whole."""
        copy = Path(tempfile.mkdtemp(prefix=f'.{self.folder.name}.', dir=self.folder.parent))
        try:
            shutil.copytree(other, copy / 'new', ignore=shutil.ignore_patterns('.lock'))
            os.replace(self.folder, copy / 'old')
            os.replace(copy / 'new', self.folder)
        finally:
            shutil.rmtree(copy, ignore_errors=True)

    @property
    def manifest(self) -> Path:
        """The manifest file."""
        return self.folder / MANIFEST

    @property
    def finished(self) -> int:
        """Number of the last finished round; -1 before the initial set is there."""
        return self.purchases[-1].round if self.purchases else -1

    @property
    def labeled(self) -> list[str]:
        """Images bought as a whole, in the order of purchase."""
        return [name for purchase in self.purchases for name in purchase.images]

    def labeled_after(self, round_number: int) -> list[str]:
        """Images bought up to and including a round."""
        return [name for purchase in self.purchases if purchase.round <= round_number for name in purchase.images]

    def round_folder(self, round_number: int) -> Path:
        """Working files of a round."""
        folder = self.folder / 'rounds' / f'round_{round_number:02d}'
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def commit(self, purchase: Purchase) -> None:
        """Record a finished round; the step that makes a purchase count.

        Raises:
            LabelSetError: the round is not the next one, an image is bought twice or is not in the pool.
        """
        if purchase.round != self.finished + 1:
            raise LabelSetError(f'{self.folder}: round {purchase.round} cannot follow round {self.finished}')
        known = set(self.labeled)
        doubled = sorted(known.intersection(purchase.images)) + sorted(
            {n for n in purchase.images if purchase.images.count(n) > 1}
        )
        if doubled:
            raise LabelSetError(f'{self.folder}: {len(doubled)} images would be bought twice, first {doubled[0]}')
        foreign = sorted(set(purchase.images) - set(self.names))
        if foreign:
            raise LabelSetError(
                f'{self.folder}: {len(foreign)} images are not in the pool, first {foreign[0]}: check the list '
                'and data_root'
            )
        self.purchases.append(purchase)
        self._write()
        self.write_lists()

    def write_lists(self) -> None:
        """(Re)write the lists of every round from the manifest."""
        if self.level != 'image':
            return
        for purchase in self.purchases:
            labeled = self.labeled_after(purchase.round)
            known = set(labeled)
            lists = {'labeled': labeled, 'unlabeled': [name for name in self.names if name not in known]}
            for kind, names in lists.items():
                text = ''.join(f'{name}\n' for name in names)
                _write_if_changed(self.round_folder(purchase.round) / f'{kind}.txt', text)
                if purchase is self.purchases[-1]:
                    _write_if_changed(self.folder / f'{kind}.txt', text)

    def status(self) -> dict[str, Any]:
        """Totals, and what each round bought: images or regions, pixels, shares of the pool."""
        pixels = sum(p.pixels for p in self.purchases)
        summary: dict[str, Any] = {
            'folder': str(self.folder),
            'level': self.level,
            'last_round': self.finished,
            'pool_images': len(self.names),
            'pixels': pixels,
            'ignored_pixels': sum(p.ignored_pixels for p in self.purchases),
        }
        if self.level == 'image':
            summary.update(images=len(self.labeled), image_share=len(self.labeled) / max(len(self.names), 1))
        else:
            summary['regions'] = sum(p.regions for p in self.purchases)
        if self.pool_pixels:
            summary['pixel_share'] = pixels / self.pool_pixels
        summary['rounds'] = [self._round_status(purchase) for purchase in self.purchases]
        return summary

    def _round_status(self, purchase: Purchase) -> dict[str, Any]:
        entry = {
            'round': purchase.round,
            'acquisition': purchase.acquisition,
            'pixels': purchase.pixels,
            'ignored_pixels': purchase.ignored_pixels,
        }
        if self.level == 'image':
            spent = len(self.labeled_after(purchase.round)), len(purchase.images), max(len(self.names), 1)
            entry['images'] = len(purchase.images)
        else:
            spent = (
                sum(p.pixels for p in self.purchases if p.round <= purchase.round),
                purchase.pixels,
                self.pool_pixels or 0,
            )
            entry['regions'] = purchase.regions
        if spent[2]:
            entry.update(share=spent[1] / spent[2], share_so_far=spent[0] / spent[2])
        return entry

    @contextmanager
    def lock(self) -> Iterator[None]:
        """Keep other processes from buying at the same time; a killed process leaves no lock behind. May be entered
        again inside.

        Raises:
            LabelSetError: another process holds it.
        """
        if self._locked:
            yield
            return
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(folder_lock(self.folder, 'labels of a round'))
            except LockedError as error:
                raise LabelSetError(f'{self.folder} is in use by another process: wait for it or end it') from error
            self._locked = True
            stack.callback(setattr, self, '_locked', False)
            yield

    def _read(self) -> None:
        try:
            stored = json.loads(self.manifest.read_text())
            purchases = [Purchase(**entry) for entry in stored['rounds']]
            level, digest, version = stored['level'], stored['pool']['digest'], stored['format']
        except (ValueError, KeyError, TypeError) as error:
            raise LabelSetError(
                f'{self.manifest} is damaged ({error}): restore it from a backup, or start in a new folder'
            ) from error
        if version != FORMAT:
            raise LabelSetError(f'{self.manifest} has format {version}, this version reads {FORMAT}')
        if level != self.level:
            raise LabelSetError(
                f'{self.folder} holds {level} labels, the config buys {self.level} labels: the budgets are not '
                'comparable, use another folder'
            )
        if digest != self.digest:
            raise LabelSetError(
                f'{self.folder} belongs to another pool of images (or the pool has changed): use another folder'
            )
        self.purchases = purchases
        self.pool_pixels = self.pool_pixels or stored['pool'].get('pixels')

    def _write(self) -> None:
        content = {
            'format': FORMAT,
            'level': self.level,
            'pool': {'images': len(self.names), 'digest': self.digest, 'pixels': self.pool_pixels},
            'rounds': [asdict(purchase) for purchase in self.purchases],
        }
        write_text(self.manifest, json.dumps(content, indent=1) + '\n')


def write_text(path: Path, text: str) -> None:
    """Replace a text file atomically, flushed to the disk."""
    with replacing(path) as temporary:
        with open(temporary, 'w', encoding='utf-8') as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())


def _write_if_changed(path: Path, text: str) -> None:
    if not path.is_file() or path.read_text(encoding='utf-8') != text:
        write_text(path, text)

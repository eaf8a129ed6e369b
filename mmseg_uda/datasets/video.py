"""Video data sets: images whose earlier frames can be found."""

from __future__ import annotations

import os
import os.path as osp
from typing import Any, Mapping, Optional, Sequence, Union

from mmcv.utils import print_log
from mmseg.datasets.builder import DATASETS
from mmseg.utils import get_root_logger

from . import label_spaces
from .base import LabelFiles, SegmentationDataset
from .folder import CamVidDataset, FolderDataset
from .frame_names import CityscapesRule, FrameRule, ListRule, SynthiaRule, ViperRule
from .street import CityscapesDataset
from .video_spaces import SYNTHIA_LANE_MARKING

Names = list[tuple[str, str]]


class VideoDataset(SegmentationDataset):
    """Base of the video data sets: what it lists are the frames that are trained on or scored; frames before them are
    found by ``frame_rule``.

    Image pipelines see single frames; ``LoadClip`` (in ``TrainingClips``) adds the earlier ones.
    """

    frame_rule: FrameRule = FrameRule()

    def pre_pipeline(self, results: dict[str, Any]) -> None:
        """Tell the pipeline where earlier frames are."""
        super().pre_pipeline(results)
        results['frame_rule'] = self.frame_rule
        results['frame_suffixes'] = self.img_suffixes
        results['label_name'] = self.label_name

    def missing_frames(self, back: int = 1) -> list[str]:
        """Frames up to ``back`` steps before the listed ones that should exist and do not: paths below ``img_dir``."""
        missing = []
        for info in self.img_infos:
            stem, suffix = self.split_name(info['filename'])
            for steps in range(1, back + 1):
                earlier = self.frame_rule.earlier(stem, steps)
                if earlier is None:
                    break
                if not osp.exists(osp.join(self.img_dir, earlier + suffix)):
                    missing.append(earlier + suffix)
        return sorted(set(missing))

    def first_frames(self) -> list[str]:
        """Listed frames without a predecessor: starts of sequences and frames after gaps."""
        stems = [self.split_name(info['filename'])[0] for info in self.img_infos]
        return [stem for stem in stems if self.frame_rule.earlier(stem, 1) is None]

    def split_name(self, filename: str) -> tuple[str, str]:
        """Stem and suffix of an image's file name."""
        suffix = next((s for s in self.img_suffixes if filename.endswith(s)), osp.splitext(filename)[1])
        return filename[: len(filename) - len(suffix)], suffix

    def _keep(self, names: Names, wanted: Any, what: str, img_dir: str) -> Names:
        kept = [(stem, suffix) for stem, suffix in names if wanted(stem)]
        if not kept:
            raise ValueError(f'{self.NAME}: none of the {len(names)} frames in {img_dir} {what}')
        return kept


def existing_folder(data_root: Optional[str], given: Optional[str], forms: Sequence[str]) -> Optional[str]:
    """``given``, or the other spelling of a folder (among ``forms``) where only that exists below ``data_root``."""
    if given is None or given not in forms:
        return given
    root = data_root or ''
    return next((form for form in (given, *forms) if osp.isdir(osp.join(root, form))), given)


@DATASETS.register_module()
class ViperSeqDataset(VideoDataset):
    """VIPER: ``train/img/<sequence>/<sequence>_<frame>.jpg``, ``train/cls/<sequence>/<sequence>_<frame>.png``.

    Args:
        every: frames whose number is a multiple of it are listed (10: 13367 training frames); the frame before must be
            there, so the download is "all frames".
        kwargs: of :class:`VideoDataset`; ``label_space`` is ``viper15``.
    """

    NAME = 'VIPER'
    CLASSES, PALETTE = label_spaces.SPACES['viper15']
    IMG_SUFFIX = ('.jpg', '.png')
    LABEL_FILES = (LabelFiles('.png', 'viper'),)
    CONVERTER = "Check ann_dir ('train/cls'): the 8-bit class ids of the download are read as they are."
    DEFAULT_ROOT = 'data/viper'
    frame_rule = ViperRule()

    def __init__(self, every: int = 10, label_space: str = 'viper15', **kwargs: Any) -> None:
        self.every = int(every)
        super().__init__(label_space=label_space, **kwargs)

    def _found(self, img_dir: str, ann_dir: Optional[str]) -> Names:
        def listed(stem: str) -> bool:
            number = int(self.frame_rule.split(stem)[1])
            return number > 0 and number % self.every == 0

        return self._keep(super()._found(img_dir, ann_dir), listed, f'has a number that {self.every} divides', img_dir)


@DATASETS.register_module()
class SynthiaSeqDataset(VideoDataset):
    """SYNTHIA-SEQS-04-DAWN: ``RGB/Stereo_Left/Omni_F/<frame>.png`` and ``GT/LABELS/Stereo_Left/Omni_F/<frame>.png``
    (16-bit), or the same frames in ``rgb/`` and ``label/``.

    Args:
        lane_marking_as_road: published tables ignore lane markings.
        kwargs: of :class:`VideoDataset`; ``label_space`` is ``synthia_seq12``.
    """

    NAME = 'SYNTHIA-Seq'
    CLASSES, PALETTE = label_spaces.SPACES['synthia_seq12']
    LABEL_FILES = (LabelFiles('.png', 'synthia_seq'),)
    CONVERTER = 'Check ann_dir: the 16-bit label files of the download are read as they are.'
    DEFAULT_ROOT = 'data/synthia_seq'
    IMG_DIRS = ('RGB/Stereo_Left/Omni_F', 'rgb')
    ANN_DIRS = ('GT/LABELS/Stereo_Left/Omni_F', 'label')
    frame_rule = SynthiaRule()

    def __init__(
        self,
        img_dir: str = IMG_DIRS[0],
        ann_dir: Optional[str] = ANN_DIRS[0],
        data_root: Optional[str] = None,
        lane_marking_as_road: bool = False,
        label_space: str = 'synthia_seq12',
        **kwargs: Any,
    ) -> None:
        self.lane_marking_as_road = lane_marking_as_road
        root = data_root if data_root is not None else self.DEFAULT_ROOT
        folders: dict[str, Any] = dict(
            img_dir=existing_folder(root, img_dir, self.IMG_DIRS), ann_dir=existing_folder(root, ann_dir, self.ANN_DIRS)
        )
        super().__init__(data_root=data_root, label_space=label_space, **folders, **kwargs)

    def id_table(self, ids: str) -> Mapping[int, int]:
        """As usual, with lane markings where they are asked for."""
        extra = {SYNTHIA_LANE_MARKING: 0} if self.lane_marking_as_road and ids == 'synthia_seq' else {}
        return {**super().id_table(ids), **extra}

    def _found(self, img_dir: str, ann_dir: Optional[str]) -> Names:
        return self._keep(
            super()._found(img_dir, ann_dir),
            lambda stem: int(self.frame_rule.split(stem)[1]) > 0,
            'has a predecessor',
            img_dir,
        )


@DATASETS.register_module()
class CityscapesSeqDataset(VideoDataset, CityscapesDataset):
    """Cityscapes-Seq: ``leftImg8bit_sequence/<split>/<city>``, labels ``gtFine/<split>/<city>`` of one frame in 30.

    The listed frames are the labelled ones: those with a file in ``ann_dir``; without it those of ``leftImg8bit/`` or
    ``gtFine/`` beside ``leftImg8bit_sequence/``, or those numbered 000019.

    Args:
        every_frame: list all frames that have a predecessor (unlabelled targets); published methods see the labelled
            ones only.
        kwargs: of :class:`VideoDataset`; ``label_space`` is ``viper15`` or ``synthia_seq12``.
    """

    NAME = 'Cityscapes-Seq'
    CLASSES, PALETTE = label_spaces.SPACES['viper15']
    DEFAULT_ROOT = 'data/cityscapes'
    CONVERTER = 'Check ann_dir: gtFine/<split> of the labelled frames.'
    frame_rule = CityscapesRule()

    def __init__(self, every_frame: bool = False, label_space: str = 'viper15', **kwargs: Any) -> None:
        self.every_frame = every_frame
        super().__init__(label_space=label_space, **kwargs)

    def _found(self, img_dir: str, ann_dir: Optional[str]) -> Names:
        names = super()._found(img_dir, ann_dir)
        stems = {stem for stem, _ in names}
        if self.every_frame:
            return self._keep(
                names, lambda stem: self.frame_rule.earlier(stem, 1) in stems, 'has a predecessor', img_dir
            )
        labelled = self._labelled(img_dir, ann_dir)
        if labelled is None:
            return self._keep(
                names, lambda stem: int(self.frame_rule.split(stem)[1]) == 19, 'has the number 000019', img_dir
            )
        return self._keep(names, lambda stem: stem in labelled, f'is labelled in {ann_dir}', img_dir)

    def _labelled(self, img_dir: str, ann_dir: Optional[str]) -> Optional[set[str]]:
        """Stems of the labelled frames as the disk tells them."""
        beside = [
            img_dir.replace('leftImg8bit_sequence', folder)
            for folder in ('gtFine', 'leftImg8bit')
            if 'leftImg8bit_sequence' in img_dir
        ]
        for folder in [ann_dir] if ann_dir else beside:
            if os.path.isdir(folder):
                suffixes = tuple(form.suffix for form in self._label_forms) + tuple(self.img_suffixes)
                return {
                    f'{osp.relpath(path, folder)}/{name[: -len(suffix)]}'.replace(os.sep, '/')
                    for path, _, files in os.walk(folder, followlinks=True)
                    for name in files
                    for suffix in suffixes
                    if name.endswith(suffix)
                }
        return None


class _ListedVideo(VideoDataset):
    """Frames in the order of their names; the order is that of all frames in the image folder or of the list."""

    gaps: Optional[Sequence[int]] = None
    tolerance = 0
    within_list = False

    def load_annotations(self, img_dir: str, *args: Any, **kwargs: Any) -> list[dict[str, Any]]:
        """Lists frames, and learns their order."""
        infos = super().load_annotations(img_dir, *args, **kwargs)
        listed = [self.split_name(info['filename'])[0] for info in infos]
        stems = listed if self.within_list else [stem for stem, _ in SegmentationDataset._found(self, img_dir, None)]
        self.frame_rule = ListRule(stems, self.gaps, self.tolerance)
        starts = sum(self.frame_rule.earlier(stem, 1) is None for stem in listed)
        print_log(
            f'{type(self).__name__}: {starts} of {len(infos)} frames have no predecessor and stand in for it',
            logger=get_root_logger(),
        )
        return infos


@DATASETS.register_module()
class FolderVideoDataset(_ListedVideo, FolderDataset):
    """Any folder of frames; each sub-folder is a video, its frames in natural order, whatever their numbers.

    Args:
        ann_dir: label folder; with it the frames that have a label file are listed, otherwise all.
        gaps: see :class:`~mmseg_uda.datasets.frame_names.ListRule`: differences of frame numbers within a video; None:
            every frame follows the one before.
        kwargs: of :class:`~mmseg_uda.datasets.folder.FolderDataset` (``classes`` ...).
    """

    NAME = 'video folder'

    def __init__(self, gaps: Union[int, Sequence[int], None] = None, **kwargs: Any) -> None:
        self.gaps = (gaps,) if isinstance(gaps, int) else gaps
        super().__init__(**kwargs)

    def _found(self, img_dir: str, ann_dir: Optional[str]) -> Names:
        names = super()._found(img_dir, ann_dir)
        if ann_dir is None:
            return names
        suffixes = [form.suffix for form in self._label_forms]
        return self._keep(
            names,
            lambda stem: any(osp.exists(osp.join(ann_dir, stem + suffix)) for suffix in suffixes),
            f'has a label in {ann_dir}',
            img_dir,
        )


@DATASETS.register_module()
class CamVidSeqDataset(_ListedVideo, CamVidDataset):
    """CamVid as video: the key frame is the previous labelled frame, one second or 1/15 s before.

    Args:
        gaps: differences of 30-Hz frame numbers that count as one step, ``tolerance`` to either side. Frames after
            another gap have no key frame, nor has the first of a split.
        tolerance: see ``gaps``.
    """

    NAME = 'CamVid as video'
    within_list = True

    def __init__(self, gaps: Sequence[int] = (2, 30), tolerance: int = 1, **kwargs: Any) -> None:
        self.gaps, self.tolerance = tuple(gaps), tolerance
        super().__init__(**kwargs)

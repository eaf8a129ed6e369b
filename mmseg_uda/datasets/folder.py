"""CamVid and data sets of plain folders."""

from __future__ import annotations

from typing import Any, Mapping, Optional, Sequence, Union

from mmseg.datasets.builder import DATASETS

from . import label_spaces
from .base import SegmentationDataset
from .class_names import read_classes
from .image_files import IMAGE_SUFFIXES


@DATASETS.register_module()
class CamVidDataset(SegmentationDataset):
    """CamVid in its 11-class form: ``images/<frame>.jpg``, ``labels/<frame>.png`` (class ids, 255 = void),
    ``splits/<name>.txt``.

    The root is ``data_root``, else the environment variable ``MMSEG_UDA_CAMVID``, else ``camvid`` in ``MMSEG_UDA_DATA``
    (default ``data``).
    """

    NAME = 'CamVid'
    CLASSES = label_spaces.CAMVID11
    PALETTE = label_spaces.CAMVID11_PALETTE
    IMG_SUFFIX = ('.jpg', '.png')
    HAS_LABEL_SPACES = False
    ROOT_VARIABLE = 'MMSEG_UDA_CAMVID'
    DEFAULT_FOLDER = 'camvid'

    def __init__(self, img_dir: str = 'images', **kwargs: Any) -> None:
        super().__init__(img_dir=img_dir, **kwargs)


@DATASETS.register_module()
class FolderDataset(SegmentationDataset):
    """Any folder of images, with or without label maps.

    Args:
        img_dir, ann_dir: folders with equal relative paths and names; ``ann_dir`` may be missing for an unlabelled set.
        classes: class names in the order of their ids, or a text file with one a line; needed.
        palette: RGB colours, by default MMSegmentation's.
        id_map: file id -> class id where the files do not hold class ids; ids that it leaves out are ignored.
        img_suffix: one suffix or several, default :data:`~mmseg_uda.datasets.image_files.IMAGE_SUFFIXES`.
    """

    NAME = 'image folder'
    IMG_SUFFIX = IMAGE_SUFFIXES
    HAS_LABEL_SPACES = False

    def __init__(
        self, classes: Union[str, Sequence[str], None] = None, id_map: Optional[Mapping[int, int]] = None, **kwargs: Any
    ) -> None:
        classes = read_classes(classes or [])
        if not classes:
            raise ValueError("FolderDataset needs classes=['name', ...]: the class names in the order of their ids")
        wrong = sorted(
            new for new in (id_map or {}).values() if not (0 <= new < len(classes) or new == label_spaces.IGNORE)
        )
        if wrong:
            raise ValueError(
                f'id_map gives class ids {wrong}, but there are {len(classes)} classes (0..{len(classes) - 1}, 255 = '
                'ignored)'
            )
        super().__init__(classes=classes, label_ids=id_map, **kwargs)

"""Where the optical flow of a pair of frames comes from: computed on demand, files, or a network."""

from __future__ import annotations

import hashlib
import os
import os.path as osp
import pickle
from abc import ABC, abstractmethod
from functools import cached_property
from pathlib import Path
from typing import Any, Optional, Sequence

import cv2
import numpy as np

from ..ops.flow import decode_flow, encode_flow
from ..registry import FLOW_SOURCES
from ..utils.config import build_from_config
from .flow_files import SUFFIXES, read_flow, write_flow
from .labels import CorruptFileError

PRESETS = dict(
    ultrafast=cv2.DISOPTICAL_FLOW_PRESET_ULTRAFAST,
    fast=cv2.DISOPTICAL_FLOW_PRESET_FAST,
    medium=cv2.DISOPTICAL_FLOW_PRESET_MEDIUM,
)


class Frame:
    """A decoded frame: ``img`` uint8 BGR (H, W, 3)."""

    def __init__(self, img: np.ndarray) -> None:
        self.img = img

    @cached_property
    def digest(self) -> str:
        """Identifies the frame's content."""
        return hashlib.blake2b(np.ascontiguousarray(self.img).data, digest_size=12).hexdigest()


class FlowSource(ABC):
    """Gives the flow from the current to the earlier frame of a pair, float32 (2, h, w) in pixels of its own grid."""

    @abstractmethod
    def __call__(self, current: Frame, earlier: Frame, name: str) -> np.ndarray:
        """The flow.

        Args:
            name: file name of the pair by the data set's rule.
        """

    def still(self, frame: Frame) -> np.ndarray:
        """No movement, for a frame without an earlier one: zeros on the grid of all other results, with which they are
        stacked to batches."""
        return np.zeros((2, *frame.img.shape[:2]), np.float32)


@FLOW_SOURCES.register_module()
class NoFlow(FlowSource):
    """Nothing moves: the key frame's scores are fused where they are (ablation)."""

    def __call__(self, current: Frame, earlier: Frame, name: str) -> np.ndarray:
        """Zeros of the frame's size."""
        return self.still(current)


class ComputedFlow(FlowSource):
    """Base of the sources that compute: they keep every result in a folder, under the content of both frames and their
    own options.

    Computed flow is rounded to the 16-bit code of the files, so that a cached result is the computed one.

    Args:
        grid: (width, height) to which frames are brought first; None: their own size.
        cache: folder, or None to keep nothing. Removing it is safe at any time.
    """

    def __init__(self, grid: Optional[Sequence[int]] = None, cache: Optional[str] = None) -> None:
        self.grid = None if grid is None else (int(grid[0]), int(grid[1]))
        if self.grid is not None and min(self.grid) < 16:
            raise ValueError(f'flow.grid is (width, height) of at least 16 pixels, got {self.grid}')
        self.cache = None if cache is None else str(cache)
        self.computed = 0

    @abstractmethod
    def options(self) -> str:
        """What else the result depends on, as text."""

    @abstractmethod
    def compute(self, current: np.ndarray, earlier: np.ndarray) -> np.ndarray:
        """Flow (2, h, w) of two images (h, w, 3), uint8 BGR."""

    def cache_file(self, current: Frame, earlier: Frame) -> Optional[Path]:
        """Where the pair's flow is kept."""
        if self.cache is None:
            return None
        key = hashlib.blake2b(
            f'{current.digest} {earlier.digest} {self.grid} {self.options()}'.encode(), digest_size=12
        ).hexdigest()
        return Path(self.cache) / key[:2] / f'{key}.npy'

    def __call__(self, current: Frame, earlier: Frame, name: str) -> np.ndarray:
        """The flow, from the cache or computed."""
        path = self.cache_file(current, earlier)
        if path is not None and path.exists():
            try:
                return read_flow(path)
            except CorruptFileError:
                path.unlink(missing_ok=True)  # of a machine that went down; it is computed again
        frames = [self._at_grid(frame.img) for frame in (current, earlier)]
        flow = self.compute(*frames)
        if not np.isfinite(flow).all():
            raise CorruptFileError(f'the computed flow of {name} is not finite')
        self.computed += 1
        if path is not None:
            write_flow(path, flow)
        return decode_flow(encode_flow(flow))

    def still(self, frame: Frame) -> np.ndarray:
        return super().still(frame) if self.grid is None else np.zeros((2, *self.grid[::-1]), np.float32)

    def _at_grid(self, img: np.ndarray) -> np.ndarray:
        if self.grid is None or img.shape[1::-1] == self.grid:
            return img
        return cv2.resize(img, self.grid, interpolation=cv2.INTER_AREA)


@FLOW_SOURCES.register_module()
class DISFlow(ComputedFlow):
    """Dense inverse search (arXiv 1603.03590) of OpenCV: no weights, tens of milliseconds on one CPU core.

    Args:
        preset: ``ultrafast``, ``fast`` or ``medium``.
        grid, cache: see :class:`ComputedFlow`.
    """

    def __init__(self, preset: str = 'fast', grid: Optional[Sequence[int]] = None, cache: Optional[str] = None) -> None:
        super().__init__(grid, cache)
        if preset not in PRESETS:
            raise ValueError(f"flow.preset must be one of {', '.join(PRESETS)}, got '{preset}'")
        self.preset = preset

    def options(self) -> str:
        """Preset and version of OpenCV."""
        return f'DIS {self.preset} OpenCV {cv2.__version__}'

    def compute(self, current: np.ndarray, earlier: np.ndarray) -> np.ndarray:
        """See the base class."""
        grey = [cv2.cvtColor(frame, cv2.COLOR_BGR2GRAY) for frame in (current, earlier)]
        dense = cv2.DISOpticalFlow_create(PRESETS[self.preset])  # type: ignore[attr-defined]
        flow = dense.calc(grey[0], grey[1], None)
        return np.ascontiguousarray(np.moveaxis(flow, -1, 0))


@FLOW_SOURCES.register_module()
class FlowFiles(FlowSource):
    """Published or precomputed flow files below a folder, named as the data set's rule says.

    Args:
        root: the folder. ``.npy`` files may also stand there as ``.flo`` or KITTI ``.png`` of the same name.
        fallback: config of another source for pairs without a file, or None: a missing file is an error.
    """

    def __init__(self, root: str, fallback: Optional[dict[str, Any]] = None) -> None:
        if not osp.isdir(root):
            raise FileNotFoundError(
                f'flow.root={root} is no folder: download the flow files, compute them (tools/flow.py compute), or '
                "use flow=dict(type='DISFlow')"
            )
        self.root = root
        self.fallback = None if fallback is None else build_flow_source(fallback)

    def __call__(self, current: Frame, earlier: Frame, name: str) -> np.ndarray:
        """The flow of the file.

        Raises:
            FileNotFoundError: no file for the pair.
        """
        stem = osp.splitext(name)[0]
        for suffix in SUFFIXES:
            path = osp.join(self.root, stem + suffix)
            if os.path.exists(path):
                return read_flow(path)
        if self.fallback is not None:
            return self.fallback(current, earlier, name)
        raise FileNotFoundError(
            f"no flow file '{stem}' ({', '.join(SUFFIXES)}) in {self.root}: compute the missing ones with "
            "'python tools/flow.py compute CONFIG --out FOLDER', or give flow.fallback=dict(type='DISFlow')"
        )

    def still(self, frame: Frame) -> np.ndarray:
        return super().still(frame) if self._grid is None else np.zeros((2, *self._grid), np.float32)

    @cached_property
    def _grid(self) -> Optional[tuple[int, int]]:
        """(height, width) of the first file below the folder."""
        first = next((path for path in Path(self.root).rglob('*') if path.suffix in SUFFIXES), None)
        return None if first is None else read_flow(first).shape[1:]


@FLOW_SOURCES.register_module()
class RAFTFlow(ComputedFlow):
    """RAFT (arXiv 2003.12039) of torchvision with weights of the user's.

    Far too slow for data workers on a CPU: meant for ``tools/flow.py compute`` on a GPU, whose files training reads.

    Args:
        weights: file with the state dict of ``torchvision.models.optical_flow.raft_small`` or ``raft_large``.
        size: ``small`` or ``large``.
        device: of the network; by default the GPU if there is one.
        grid, cache: see :class:`ComputedFlow`; both sides of the grid are multiples of 8.
    """

    def __init__(
        self,
        weights: str,
        size: str = 'large',
        device: Optional[str] = None,
        grid: Optional[Sequence[int]] = None,
        cache: Optional[str] = None,
    ) -> None:
        super().__init__(grid, cache)
        if size not in ('small', 'large'):
            raise ValueError(f"flow.size must be small or large, got '{size}'")
        if self.grid is not None and any(side % 8 for side in self.grid):
            raise ValueError(f'RAFT needs a flow.grid of multiples of 8, got {self.grid}')
        if not osp.isfile(weights):
            raise FileNotFoundError(
                f'flow.weights={weights}: no such file; RAFT needs weights that you have downloaded'
            )
        self.weights, self.size, self.device = weights, size, device
        self._network: Any = None

    def options(self) -> str:
        """Size and content of the weights."""
        with open(self.weights, 'rb') as file:
            return f'RAFT {self.size} {hashlib.blake2b(file.read(), digest_size=12).hexdigest()}'

    def compute(self, current: np.ndarray, earlier: np.ndarray) -> np.ndarray:
        """See the base class."""
        import torch

        network, device = self._loaded()
        height, width = current.shape[:2]
        if height % 8 or width % 8:
            raise ValueError(f'RAFT needs sides of multiples of 8, got {width} x {height}: set flow.grid')
        frames = [
            torch.from_numpy(np.ascontiguousarray(frame[..., ::-1])).permute(2, 0, 1)[None].float().to(device) / 127.5
            - 1
            for frame in (current, earlier)
        ]
        with torch.inference_mode():
            return network(*frames)[-1][0].cpu().numpy()

    def _loaded(self) -> tuple[Any, Any]:
        if self._network is None:
            import torch
            from torchvision.models import optical_flow

            device = torch.device(self.device or ('cuda' if torch.cuda.is_available() else 'cpu'))
            network = getattr(optical_flow, f'raft_{self.size}')(weights=None)
            try:
                network.load_state_dict(torch.load(self.weights, map_location='cpu', weights_only=True))
            except (RuntimeError, pickle.UnpicklingError) as error:
                raise CorruptFileError(
                    f'flow.weights={self.weights} is no state dict of torchvision.models.optical_flow.raft_{self.size} '
                    f"(flow.size='{self.size}'): {str(error).splitlines()[0]}"
                ) from error
            self._network = network.eval().to(device), device
        return self._network


def build_flow_source(cfg: Any) -> FlowSource:
    """A flow source from its config; None = :class:`DISFlow` without a cache."""
    return build_from_config(dict(cfg or dict(type='DISFlow')), FLOW_SOURCES)

"""The clips of a batch: frames, flows and labels of a stream by name."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, Mapping, Optional, Sequence

from torch import Tensor, nn

from ...models.segmentors.flow_fused import FlowFusedSegmentor
from ...ops.clips import Clip, pack_clip
from ...ops.normalize import normalize_on_device
from ...streams import Stream


@dataclass
class Frames:
    """A clip per image of a stream.

    Attributes:
        img, key, far: current frame, the one before and the one before that (None unless asked for), normalised (B, 3,
            H, W).
        flow, flow_far, flow_key_far: current to key, current to far, key to far: (B, 2, h, w) in pixels of their grid.
        label, key_label: int64 (B, 1, H, W) or None.
        occlusion: uint8 (B, 1, H, W), 1 where the key frame does not show what the current one shows; or None.
        metas: image meta data.
    """

    img: Tensor
    key: Tensor
    flow: Tensor
    metas: Sequence[Mapping[str, Any]]
    far: Optional[Tensor] = None
    flow_far: Optional[Tensor] = None
    flow_key_far: Optional[Tensor] = None
    label: Optional[Tensor] = None
    key_label: Optional[Tensor] = None
    occlusion: Optional[Tensor] = None

    @property
    def size(self) -> tuple[int, int]:
        """(H, W) of the frames."""
        return self.img.shape[2], self.img.shape[3]

    def clip(self) -> Clip:
        """The current frame with its key frame."""
        return Clip(self.img, self.key, self.flow, self.occlusion)


def cyclic(values: Tensor, count: int) -> Tensor:
    """The first ``count`` rows, from the start again when there are fewer."""
    return values[:count] if len(values) >= count else values[[i % len(values) for i in range(count)]]


def frames_of(stream: Stream, far: bool = False) -> Frames:
    """The clips of a stream.

    Args:
        far: the method needs the frame two steps back, with its flows.

    Raises:
        ValueError: the data bring single images, or no frame two steps back.
    """
    needed = ('key_frame', 'flow', *(('far_frame', 'flow_far', 'flow_key_far') if far else ()))
    missing = [name for name in needed if name not in stream.extras]
    if missing:
        raise ValueError(
            f"the '{stream.name}' stream has no {', '.join(missing)}: this method needs clips. Give data.train."
            f'{stream.name} a video data set with pipeline=[dict(type="TrainingClips", '
            f'{"far=True, " if far else ""}size=...)]'
        )
    values: dict[str, Any] = dict(stream.extras)
    others: dict[str, Any] = {
        name: values.get(name) for name in ('flow', 'flow_far', 'flow_key_far', 'key_label', 'occlusion')
    }
    return Frames(
        img=stream.img,
        metas=stream.metas,
        label=stream.label,
        key=normalize_on_device(values['key_frame'], stream.metas),
        far=normalize_on_device(values['far_frame'], stream.metas) if 'far_frame' in values else None,
        **others,
    )


def with_key_frame(student: nn.Module, stream: Stream) -> Stream:
    """The stream as ``student`` takes it: packed clips for a segmentor that looks back, if the data bring them."""
    if not isinstance(student, FlowFusedSegmentor) or 'key_frame' not in stream.extras:
        return stream
    return replace(stream, img=pack_clip(frames_of(stream).clip()))


def require_fused(student: nn.Module, who: str) -> FlowFusedSegmentor:
    """The student as a segmentor of clips.

    Raises:
        TypeError: another one.
    """
    if not isinstance(student, FlowFusedSegmentor):
        raise TypeError(
            f"{who} fuses two frames and needs model.type='FlowFusedSegmentor', got {type(student).__name__}: change "
            'model.type; backbone and heads stay as they are'
        )
    return student

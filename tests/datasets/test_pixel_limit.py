"""Small files of large images: no reader decodes what could fill the memory."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from PIL import Image

from mmseg_uda.datasets.labels import (
    MAX_PIXELS_VARIABLE,
    ImageTooLargeError,
    check_pixels,
    decode_image,
    decode_label,
    max_pixels,
)
from mmseg_uda.datasets.pipelines import LoadImage


def bomb(width: int = 40_000, height: int = 40_000) -> bytes:
    """A PNG whose head promises a large picture; its few bytes of data would be decoded row by row."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack('>I', len(data)) + kind + data + struct.pack('>I', zlib.crc32(kind + data))

    head = struct.pack('>IIBBBBB', width, height, 8, 0, 0, 0, 0)
    body = zlib.compress(b'\0' * min(width + 1, 1000))
    return b'\x89PNG\r\n\x1a\n' + chunk(b'IHDR', head) + chunk(b'IDAT', body) + chunk(b'IEND', b'')


@pytest.mark.parametrize('size', [(12_000, 12_000), (40_000, 40_000), (10**9, 1)])
@pytest.mark.parametrize('decode', [decode_image, decode_label])
def test_readers_refuse_it_by_name(decode: Any, size: tuple[int, int]) -> None:
    with pytest.raises(ImageTooLargeError, match=rf'x/big\.png has {size[0] * size[1]} pixels.*{MAX_PIXELS_VARIABLE}'):
        decode(bomb(*size), 'x/big.png')


@pytest.mark.parametrize('options', [{}, dict(color_type='unchanged'), dict(imdecode_backend='pillow')])
def test_the_pipeline_refuses_it(tmp_path: Path, options: dict[str, Any]) -> None:
    (tmp_path / 'big.png').write_bytes(bomb())
    with pytest.raises(ImageTooLargeError, match='big.png'):
        LoadImage(**options)(dict(img_prefix=str(tmp_path), img_info=dict(filename='big.png')))


def test_the_limit_can_be_changed(monkeypatch: pytest.MonkeyPatch) -> None:
    image = np.zeros((30, 40, 3), np.uint8)
    data = cv2.imencode('.png', image)[1].tobytes()
    assert decode_image(data, 'a.png').shape == image.shape
    monkeypatch.setenv(MAX_PIXELS_VARIABLE, '1199')
    with pytest.raises(ImageTooLargeError, match=r'a\.png has 1200 pixels, more than 1199'):
        decode_image(data, 'a.png')
    monkeypatch.setenv(MAX_PIXELS_VARIABLE, '1200')
    assert decode_image(data, 'a.png').shape == image.shape
    monkeypatch.setattr(Image, 'MAX_IMAGE_PIXELS', 100)  # as if the limit had been raised beyond Pillow's
    buffer = io.BytesIO()
    Image.fromarray(image[..., 0]).save(buffer, 'PNG')
    assert decode_label(buffer.getvalue(), 'a.png').shape == (30, 40)
    monkeypatch.setenv(MAX_PIXELS_VARIABLE, 'many')
    with pytest.raises(ValueError, match=f"{MAX_PIXELS_VARIABLE} is a number of pixels, not 'many'"):
        max_pixels()


def test_what_pillow_does_not_know_is_left_to_the_decoder() -> None:
    check_pixels(b'no image', 'x')
    check_pixels(b'', 'x')

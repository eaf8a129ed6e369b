"""Steps that depend on the number of bands of an image: normalisation and colour changes, with checks in the place of
silence."""

from __future__ import annotations

from typing import Any

import numpy as np
from mmseg.datasets.builder import PIPELINES
from mmseg.datasets.pipelines import Normalize, PhotoMetricDistortion


def band_count(img: np.ndarray) -> int:
    """Number of bands of an image (H, W) or (H, W, C)."""
    return 1 if img.ndim == 2 else int(img.shape[2])


@PIPELINES.register_module(name='PhotoMetricDistortion', force=True)
class CheckedDistortion(PhotoMetricDistortion):
    """``PhotoMetricDistortion`` (which it replaces) that refuses what it would spoil: it works on 8-bit BGR images
    only.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        bands, depth = band_count(results['img']), results.get('img_depth', 'uint8')
        if bands != 3 or depth != 'uint8':
            raise ValueError(
                f'PhotoMetricDistortion changes the colours of 8-bit images of 3 bands (channels), but '
                f'{results.get("filename")} has {bands} bands of {depth}: take it out of the pipeline '
                '(distortion=False)'
            )
        return super().__call__(results)


@PIPELINES.register_module(name='Normalize', force=True)
class CheckedNormalize(Normalize):
    """``Normalize`` (which it replaces) that refuses statistics of another number of bands.

    ``img_norm_cfg`` also gets ``depth``, the type of the values in the file.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        self._check(results)
        depth = results.get('img_depth', 'uint8')
        results = super().__call__(results)
        results['img_norm_cfg']['depth'] = depth
        return results

    def _check(self, results: dict[str, Any]) -> None:
        bands = band_count(results['img'])
        if len(self.mean) == len(self.std) == bands and (bands == 3 or not self.to_rgb):
            return
        name = results.get('filename', 'an image')
        if len(self.mean) != bands or len(self.std) != bands:
            raise ValueError(
                f'Normalize has {len(self.mean)} values of mean and {len(self.std)} of std, but {name} has {bands} '
                f"bands (channels): give img_norm_cfg one value per band, and color_type='unchanged' to "
                'LoadImageFromFile if the files have more bands than were read'
            )
        raise ValueError(
            f'Normalize has to_rgb=True, but {name} has {bands} bands (channels), which have no order to turn around: '
            'set to_rgb=False'
        )


@PIPELINES.register_module()
class DeferredNormalize(CheckedNormalize):
    """``Normalize`` that leaves a uint8 image as it is and only records ``img_norm_cfg``: the engine normalises on the
    device.

    A quarter of the bytes travels from the worker to the device, and the worker saves the arithmetic. An image of
    another type is normalised here. Padding from before this step is noted (``padded``): it is normalised, too.
    """

    def __call__(self, results: dict[str, Any]) -> dict[str, Any]:
        if results['img'].dtype != np.uint8:
            return super().__call__(results)
        self._check(results)
        depth = results.get('img_depth', 'uint8')
        config = dict(mean=self.mean, std=self.std, to_rgb=self.to_rgb, depth=depth)
        if 'pad_fixed_size' in results or 'pad_size_divisor' in results:  # of a Pad before this step
            config['padded'] = True
        results['img_norm_cfg'] = config
        return results

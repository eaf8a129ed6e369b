"""What a pipeline step is like, for the code that rewrites pipelines: properties instead of lists of class names.

A transform of one's own states what is not the default as class attributes::

    @PIPELINES.register_module()
    class SelectBands:
        random = False

=================  =========  =====================================================================================
property           default    meaning
=================  =========  =====================================================================================
``reads``          ``None``   ``'image'`` or ``'label'``: the file that the step loads
``random``         ``True``   draws random numbers; what comes before the first such step is kept while a crop is
                              drawn again, and only the others run when pseudo-labels are extracted
``fixes_size``     ``False``  resizes every image to the same size (or to the size that its aspect ratio gives):
                              stored pseudo-labels have that size and are loaded after the step
``reads_values``   ``True``   depends on the image's values; ``Normalize`` is left to the device when no later step
                              does
``training_only``  ``False``  of no use where whole images are predicted (padding to the crop's size, margins)
=================  =========  =====================================================================================
"""

from __future__ import annotations

from typing import Any, Callable, Mapping, Union

from mmseg.datasets.builder import PIPELINES

DEFAULTS: dict[str, Any] = dict(reads=None, random=True, fixes_size=False, reads_values=True, training_only=False)


def _several_scales(options: Mapping[str, Any]) -> bool:
    scales = options.get('img_scale')
    return options.get('ratio_range') is not None or (isinstance(scales, list) and len(scales) > 1)


Value = Union[Any, Callable[[Mapping[str, Any]], Any]]
#: MMSegmentation's classes; a function takes the options of the step, or the attributes of the built one
STOCK: dict[str, dict[str, Value]] = {
    'LoadImageFromFile': dict(reads='image', random=False),
    'LoadAnnotations': dict(reads='label', random=False),
    'Resize': dict(random=_several_scales, fixes_size=lambda options: not _several_scales(options)),
    'Normalize': dict(random=False),
    'Pad': dict(random=False, reads_values=False, training_only=True),
    'DefaultFormatBundle': dict(random=False, reads_values=False),
    'Collect': dict(random=False, reads_values=False),
}


def property_of(step: Any, name: str) -> Any:
    """A property of a pipeline step, of its class or of the nearest class above it that states it.

    Args:
        step: a config dict or a built transform.
        name: one of the properties above.
    """
    default = DEFAULTS[name]
    if isinstance(step, Mapping):
        kind, options = step.get('type'), step
        cls = PIPELINES.get(kind) if isinstance(kind, str) else kind
    else:
        cls, options = type(step), getattr(step, '__dict__', {})
    for base in getattr(cls, '__mro__', ()):
        if name in vars(base):
            return vars(base)[name]
        if name in STOCK.get(base.__name__, ()):
            value = STOCK[base.__name__][name]
            return value(options) if callable(value) else value
    return default

"""Every key of a config with its type, default and meaning, read from the source into docs/reference/config_keys.md.

    python tools/config_keys.py --check
    python tools/config_keys.py --write

Names and defaults come from signatures, along the bases of a class as far as its ``**kwargs`` reach; meanings from the
``Args:`` and ``Attributes:`` of docstrings. A key without a meaning is an error: its docstring has to name it.
"""

from __future__ import annotations

import argparse
import dataclasses
import importlib
import inspect
import re
import sys
from pathlib import Path
from typing import Any, Iterator, NamedTuple, Optional, Sequence

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / 'docs' / 'reference' / 'config_keys.md'
MISSING = inspect.Parameter.empty
#: keys of every method that stand elsewhere in a config, or that the runner fills in
ELSEWHERE = ('model', 'train_cfg', 'test_cfg', 'max_iters', 'seed')
#: what MMSegmentation's keys mean where a class of ours names them in its signature
KNOWN = {
    'init_cfg': 'initial weights, as in MMCV',
    'in_index': 'which maps of the backbone are read',
    'channels': 'width of the features before the classifier',
    'auxiliary_head': 'as in `EncoderDecoder`',
    'name': 'another name of `model_name`',
    'weights': 'another name of `pretrained`',
    'kwargs': 'options of `MixTransformer`',
}


class Key(NamedTuple):
    """One row of a table."""

    name: str
    type: str
    default: Any
    meaning: str


def meanings(cls: Any) -> dict[str, str]:
    """Parameter or attribute name -> its text in the docstring of a class or function."""
    text = inspect.getdoc(cls) or ''
    found: dict[str, str] = {}
    for section in re.findall(r'(?m)^(?:Args|Attributes):\n((?: .*\n?|\n)+)', text):
        for names, meaning in re.findall(r'(?m)^ {4}(\w+(?:, \w+)*): ?((?:.*)(?:\n {8}.*|\n(?=\n* {8}))*)', section):
            found.update({name: ' '.join(meaning.split()) for name in names.split(', ')})
    return found


def markdown(text: str) -> str:
    """A docstring's text as a cell of a Markdown table."""
    text = re.sub(r':\w+:`~?(?:[\w.]+\.)?(\w+)`', r'`\1`', text)
    text = re.sub(r'``([^`]*)``', r'`\1`', text).replace('|', r'\|')
    # in code a Markdown reader shows what stands there
    return '`'.join(part.replace('<', '&lt;') if i % 2 == 0 else part for i, part in enumerate(text.split('`')))


def shown_type(annotation: Any) -> str:
    """A type as a reader writes it."""
    if annotation is MISSING:
        return ''
    text = annotation if isinstance(annotation, str) else getattr(annotation, '__name__', str(annotation))
    text = (
        text.replace('Optional[', '')
        .replace('Options', 'dict')
        .replace('Mapping[str, Any]', 'dict')
        .replace('Any', 'any')
    )
    text = re.sub(r'^Union\[(.*)\]$', r'\1', text)
    while text.count(']') > text.count('['):
        text = text[:-1]
    return text.replace('|', 'or').replace('None', '').strip(', ')


def parameters(cls: Any) -> Iterator[inspect.Parameter]:
    """Keyword parameters of a class along its bases, or of a function."""
    if not inspect.isclass(cls):
        yield from inspect.signature(cls).parameters.values()
        return
    for base in cls.__mro__:
        if '__init__' not in vars(base) or not base.__module__.startswith('mmseg_uda'):
            continue
        own = list(inspect.signature(vars(base)['__init__']).parameters.values())[1:]
        yield from (p for p in own if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
        if not any(p.kind is p.VAR_KEYWORD for p in own):
            return


def keys_of(cls: Any, *more: Any, without: Sequence[str] = ()) -> list[Key]:
    """The keys of a class, then those of its option classes."""
    texts: dict[str, str] = {}
    for base in reversed(inspect.getmro(cls) if inspect.isclass(cls) else (cls,)):
        texts.update(meanings(base))
    rows: dict[str, Key] = {}
    for parameter in parameters(cls):
        if parameter.name not in rows and parameter.name not in without:
            meaning = texts.get(parameter.name) or KNOWN.get(parameter.name, '')
            rows[parameter.name] = Key(parameter.name, shown_type(parameter.annotation), parameter.default, meaning)
    for options in more:
        known = meanings(options)
        for field in dataclasses.fields(options):
            default = MISSING if field.default is dataclasses.MISSING else field.default
            rows[field.name] = Key(field.name, shown_type(field.type), default, known.get(field.name, ''))
    return list(rows.values())


def first_sentence(cls: Any) -> str:
    """What a class is, by its docstring."""
    return markdown(' '.join((inspect.getdoc(cls) or '').split('\n\n')[0].split()))


def table(keys: Sequence[Key]) -> str:
    """Rows of a Markdown table."""
    if not keys:
        return 'No keys of its own.\n'
    rows = ['| key | type | default | meaning |', '|---|---|---|---|']
    for key in keys:
        default = 'required' if key.default is MISSING else f'`{key.default!r}`'.replace('|', r'\|')
        kind = f'`{key.type}`' if key.type else ''
        rows.append(f'| `{key.name}` | {kind} | {default} | {markdown(key.meaning)} |')
    return '\n'.join(rows) + '\n'


def load(name: str) -> Any:
    """An object by its dotted name below ``mmseg_uda``."""
    module, _, attribute = name.rpartition('.')
    return getattr(importlib.import_module(f'mmseg_uda.{module}'), attribute)


def methods() -> Iterator[tuple[str, Any, list[Key]]]:
    """``uda`` types with their classes and keys."""
    from mmseg_uda.methods.base import UDASegmentor
    from mmseg_uda.methods.parts.flat_keys import FLAT_KEYS
    from mmseg_uda.registry import UDA

    common = [key.name for key in keys_of(UDASegmentor)]
    options = {'DSTC': ['methods.dstc.DSTCOptions'], 'STAL': ['methods.stal.STALOptions']}
    for name, cls in UDA.module_dict.items():
        if not cls.__module__.startswith('mmseg_uda.'):
            continue
        keys = keys_of(cls, *(load(option) for option in options.get(name, ())), without=common)
        if name == 'DACS':
            texts = meanings(cls)
            keys = [Key(key, type(value).__name__ if value is not None else '', value, texts.get(key, ''))
                    for key, value in FLAT_KEYS.items()]  # fmt: skip
        yield name, cls, keys


#: parts of a method and of the data that are configured by a dict without ``type``: title -> class, keys given to it
PARTS = {
    '`uda.teacher`': ('components.ema.EMATeacher', ('student',)),
    '`uda.masking` of `SelfTraining`': (
        'methods.parts.masked_consistency.MaskedConsistency',
        ('student', 'teacher_options', 'pseudo_labeler'),
    ),
    '`uda.distillation`': ('methods.parts.distillation.Distillation', ('student', 'reference')),
    '`uda.templates` of `QuadMix`': ('components.template_bank.TemplateBank', ('num_classes',)),
    '`uda.confidence` of `STAL`': ('components.banks.ClassConfidenceBank', ('num_classes',)),
    '`uda.copy_paste` of `STAL`': ('components.copy_paste.ClassCopyPaste', ('num_classes',)),
    '`uda.cutmix` of `STAL`': ('components.banks_images.ImageBank', ('num_classes',)),
    '`uda.contrast` of `STAL`': ('components.contrastive.MemoryBankContrast', ('num_classes', 'channels')),
}
ENGINE = {
    '`engine`': 'engine.placing.EngineOptions',
    '`optimizer_config`': 'engine.step_options.StepOptions',
}
DATA = {
    '`data.train`: `UDADataset`': ('datasets.uda_dataset.UDADataset', ('seed',)),
    '`data.train.rare_class_sampling`': ('datasets.rare_classes.RareClassSampler', ()),
    "`data.train.rare_class_sampling` with `type='ClassUniformSampler'`": (
        'datasets.class_uniform.ClassUniformSampler',
        (),
    ),
    '`data.train.class_patches`': ('datasets.class_patches.ClassPatches', ()),
}
REGISTRIES = {
    'Pseudo-labelers (`uda.pseudo_labeler`)': 'PSEUDO_LABELERS',
    'Mixers (`uda.mixer`)': 'MIXERS',
    'Augmentations (`uda.augmentation`, `source_augmentation`, `target_augmentation`)': 'AUGMENTATIONS',
    'Maskers (`uda.masking.masker`)': 'MASKERS',
    'Feature distances (`uda.feature_distance`)': 'FEATURE_DISTANCES',
    'Discriminators (`uda.discriminator`)': 'DISCRIMINATORS',
    'Stylisers (`uda.styliser`)': 'STYLISERS',
    'Acquisition functions (`active.acquisition`)': 'ACQUISITIONS',
    'Sources of optical flow': 'FLOW_SOURCES',
}

#: classes of MMSegmentation's registries that are ours: title -> registry
NETWORKS_AND_DATA = {
    'Data sets': 'mmseg.datasets.builder.DATASETS',
    'Pipeline steps': 'mmseg.datasets.builder.PIPELINES',
    'Networks, heads, necks, losses': 'mmseg.models.builder.MODELS',
    'Hooks and learning rates': 'mmcv.runner.HOOKS',
}
#: the page is written by hand up to this line
MARK = '<!-- tools/config_keys.py writes what follows -->\n'


def class_section(title: str, cls: Any, keys: Sequence[Key], level: str = '###') -> str:
    """Heading, first sentence and table of a class."""
    return f'{level} {title}\n{first_sentence(cls)}\n\n{table(keys)}'


def ours(registry: Any) -> list[tuple[str, Any]]:
    """Classes of this package in a registry; MMSegmentation's data sets have bases of ours under their own names."""
    return sorted((name, cls) for name, cls in registry.module_dict.items() if cls.__module__.startswith('mmseg_uda.'))


def sections() -> Iterator[tuple[str, list[Key]]]:
    """Text and keys of everything on the page, in order."""
    from mmseg_uda import registry as registries
    from mmseg_uda.methods.base import UDASegmentor

    def text(body: str) -> tuple[str, list[Key]]:
        return body, []

    def described(title: str, cls: Any, keys: list[Key], level: str = '###') -> tuple[str, list[Key]]:
        return class_section(title, cls, keys, level), keys

    yield text('## Methods\n`uda = dict(type=..., ...)`. Every method also has the keys of the first table.\n')
    common = keys_of(UDASegmentor, without=ELSEWHERE)
    yield f'### All methods\n{table(common)}', common
    for name, cls, keys in methods():
        yield described(f'`{name}`', cls, keys)
        if name == 'DACS':
            yield text('The keys of `SelfTraining` are accepted as well.\n')
    yield text('## Parts of methods\n')
    for title, (name, given) in PARTS.items():
        yield described(title, load(name), keys_of(load(name), without=given))
    for title, registry in REGISTRIES.items():
        yield text(f'### {title}\n')
        for name, cls in ours(getattr(registries, registry)):
            yield described(f'`{name}`', cls, keys_of(cls, without=('num_classes',)), '####')
    yield text('## Engine\n')
    for title, name in ENGINE.items():
        yield described(title, load(name), keys_of(object, load(name)))
    yield text('## Data\n')
    for title, (name, given) in DATA.items():
        yield described(title, load(name), keys_of(load(name), without=('stream', *given)))
    for title, name in NETWORKS_AND_DATA.items():
        module, _, attribute = name.rpartition('.')
        yield text(f'{"###" if module.startswith("mmseg.datasets") else "##"} {title}\n')
        seen: dict[tuple[Key, ...], str] = {}
        for key, cls in ours(getattr(importlib.import_module(module), attribute)):
            keys = keys_of(cls)
            first = seen.setdefault(tuple(keys), key) if keys else key
            if first == key:
                yield described(f'`{key}`', cls, keys, '####')
            else:
                yield text(f'#### `{key}`\n{first_sentence(cls)} Keys as of `{first}`.\n')


def page() -> str:
    """The whole page: its head as it is, and all keys.

    Raises:
        ValueError: keys without a meaning.
    """
    parts = list(sections())
    silent = [
        f'{body.split(chr(10))[0].lstrip("# ")}: {key.name}' for body, keys in parts for key in keys if not key.meaning
    ]
    if silent:
        raise ValueError(f'the docstrings do not say what these mean: {"; ".join(silent)}')
    head, _, _ = PAGE.read_text(encoding='utf-8').partition(MARK)
    return '\n'.join([f'{head}{MARK}', *(body for body, _ in parts)])


def main(args: Optional[Sequence[str]] = None) -> int:
    """Exit status 0 when the page is up to date."""
    parser = argparse.ArgumentParser(description=(__doc__ or '').split('\n')[0])
    kind = parser.add_mutually_exclusive_group(required=True)
    kind.add_argument('--check', action='store_true', help='exit status 1 when the page differs from the source')
    kind.add_argument('--write', action='store_true', help='write the page')
    write = parser.parse_args(args).write
    text = page()
    if PAGE.read_text(encoding='utf-8') == text:
        return 0
    if write:
        PAGE.write_text(text, encoding='utf-8')
        print(f'written: {PAGE.relative_to(ROOT)}')
        return 0
    print(f'{PAGE.relative_to(ROOT)} differs from the source: python tools/config_keys.py --write')
    return 1


if __name__ == '__main__':
    sys.exit(main())

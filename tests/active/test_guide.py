"""The examples of docs/guides/active.md do what the guide says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, Iterator

import pytest
import torch

from mmseg_uda.active.session import ActiveSession
from mmseg_uda.registry import ACQUISITIONS

from .test_selection import Network
from .world import image_config, make_world

GUIDE = Path(__file__).resolve().parents[2] / 'docs' / 'guides' / 'active.md'


def example(word: str) -> str:
    """The Python block of the guide that holds a word."""
    blocks = re.findall(r'```python\n(.*?)```', GUIDE.read_text(encoding='utf-8'), re.DOTALL)
    return next(block for block in blocks if word in block)


@pytest.fixture
def least_sky() -> Iterator[Any]:
    scope: dict[str, Any] = {}
    exec(compile(example('LeastSky'), str(GUIDE), 'exec'), scope)
    yield scope['LeastSky']
    ACQUISITIONS.module_dict.pop('LeastSky')


def test_the_acquisition_of_the_guide_buys_by_its_own_score(least_sky: Any, tmp_path: Path) -> None:
    world = make_world(tmp_path / 'world')
    network = Network(classes=11)
    cfg = image_config(world, tmp_path / 'set', acquisition=dict(type='LeastSky'), group_by=None)
    session = ActiveSession(cfg)
    session.start()
    scores = session.rank(network, torch.device('cpu'), show=False)
    purchase = session.select(1, network, torch.device('cpu'), show=False)
    assert purchase is not None and purchase.acquisition == 'LeastSky'
    assert sorted(scores.values(), reverse=True)[:2] == [scores[name] for name in purchase.images]


def test_the_block_of_the_guide_has_the_options_of_a_session() -> None:
    scope: dict[str, Any] = {}
    exec(example('active = dict('), scope)
    with pytest.raises(
        FileNotFoundError, match='leftImg8bit/train'
    ):  # every option is known; only the data are not here
        ActiveSession({'active': {**scope['active'], 'img_norm_cfg': dict(mean=[0] * 3, std=[1] * 3, to_rgb=True)}})

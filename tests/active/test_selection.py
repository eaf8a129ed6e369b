"""Buying images and regions: quotas, budgets, and going on after a kill at any point."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from mmseg_uda.active.label_set import LabelSet, LabelSetError, Purchase
from mmseg_uda.active.pictures import write_pictures
from mmseg_uda.active.regions import RegionLabels, region_path
from mmseg_uda.active.session import ActiveSession

from .world import NORM, SIZE, active, image_config, make_world, region_config

CPU = torch.device('cpu')


class Killed(BaseException):
    """Stands for a kill: nothing in the package catches it."""


class Network:
    """Class scores that depend on the image; ends the process's work after some calls."""

    def __init__(self, classes: int = 4, calls: int | None = None) -> None:
        self.weight = torch.randn(classes, 3, 3, 3, generator=torch.Generator().manual_seed(0))
        self.left = calls

    def __call__(self, image: Tensor) -> Tensor:
        if self.left is not None:
            if self.left == 0:
                raise Killed
            self.left -= 1
        return torch.nn.functional.conv2d(image, self.weight, padding=1)


@pytest.fixture(scope='module')
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_world(tmp_path_factory.mktemp('world'))


def content(folder: Path) -> dict[str, Any]:
    """Everything that a label set holds, except the paths of the networks that chose."""
    regions = {path.name: RegionLabels.load(path) for path in sorted((folder / 'regions').rglob('*.npz'))}
    keys = ('label', 'bought', 'blocked', 'picks')
    arrays = {f'{name}.{key}': getattr(value, key).tolist() for name, value in regions.items() for key in keys}
    manifest = json.loads((folder / 'manifest.json').read_text())
    return {**manifest, 'rounds': [{**purchase, 'checkpoint': None} for purchase in manifest['rounds']], **arrays}


@pytest.mark.parametrize('config', [image_config, region_config])
def test_killed_anywhere_ends_with_the_same_label_set(config: Any, world: Path, tmp_path: Path) -> None:
    session = ActiveSession(config(world, tmp_path / 'straight'))
    session.start()
    for number in (1, 2):
        session.select(number, Network(), CPU, show=False)
    kills = 0
    for calls in (0, 1, 2, 1, 2, 0, 100, 2, 1, 100):  # each time a new process opens the folder
        session = ActiveSession(config(world, tmp_path / 'killed'))
        session.start()
        try:
            if session.next_round <= 2:
                session.select(session.next_round, Network(calls=calls), CPU, show=False)
        except Killed:
            kills += 1
    assert kills >= 4
    assert content(tmp_path / 'killed') == content(tmp_path / 'straight')


def test_quota_per_city_and_lists(world: Path, tmp_path: Path) -> None:
    session = ActiveSession(image_config(world, tmp_path / 'set', initial=dict(count=1), budget=dict(images=[4])))
    session.start()
    first = session.label_set.labeled
    purchase = session.select(1, Network(), CPU, show=False)
    assert purchase is not None and len(purchase.images) == 4 and not set(first) & set(purchase.images)
    assert {name.split('/')[0] for name in purchase.images} == {'aachen', 'bonn'}
    folder = tmp_path / 'set' / 'rounds' / 'round_01'
    labeled = (folder / 'labeled.txt').read_text().split()
    assert labeled == first + purchase.images
    assert sorted(labeled + (folder / 'unlabeled.txt').read_text().split()) == sorted(session.pool.names)
    status = session.label_set.status()
    assert status['images'] == 5 and status['pixels'] == 5 * SIZE[0] * SIZE[1] and status['ignored_pixels'] > 0
    assert [(entry['images'], entry['share_so_far']) for entry in status['rounds']] == [(1, 1 / 9), (4, 5 / 9)]


def test_a_pool_smaller_than_the_budget_is_bought_whole(world: Path, tmp_path: Path) -> None:
    session = ActiveSession(image_config(world, tmp_path / 'set', budget=dict(images=[100, 1])))
    session.start()
    for number, count in ((1, 7), (2, 0)):
        with pytest.warns(UserWarning, match=f'only {count} of the pool'):
            purchase = session.select(number, Network(), CPU, show=False)
        assert purchase is not None and len(purchase.images) == count
    assert sorted(session.label_set.labeled) == sorted(session.pool.names)


def test_regions_cost_what_the_budget_says(world: Path, tmp_path: Path) -> None:
    session = ActiveSession(region_config(world, tmp_path / 'set'))
    session.start()
    for number in (1, 2):
        purchase = session.select(number, Network(), CPU, show=False)
        assert purchase is not None and purchase.pixels > 0
    name = session.pool.names[0]
    regions = RegionLabels.load(region_path(tmp_path / 'set', name))
    assert regions is not None
    truth = session.pool.read_label(name)
    bought = regions.bought > 0
    assert np.array_equal(regions.label[bought], truth[bought]) and (regions.label[~bought] == 255).all()
    picks = session.budget.picks(*SIZE, 1)
    for number in (1, 2):
        chosen, pixels, _ = regions.counts(number)
        assert 0 < chosen <= picks and 4 * chosen <= pixels <= 9 * chosen
    status = session.label_set.status()
    assert status['pixels'] == sum(p.pixels for p in session.label_set.purchases)
    assert (
        status['pixel_share']
        == pytest.approx(status['pixels'] / (9 * SIZE[0] * SIZE[1]))
        == status['rounds'][2]['share_so_far']
    )
    assert [entry['round'] for entry in status['rounds']] == [0, 1, 2]
    assert sum(entry['share'] for entry in status['rounds']) == pytest.approx(status['pixel_share'])
    assert status['regions'] == sum(
        sum(RegionLabels.load(region_path(tmp_path / 'set', name)).picks) for name in session.pool.names
    )
    first, both = (
        write_pictures(session.pool, session.label_set, number, limit=2)[0].read_bytes() for number in (1, 2)
    )
    assert first != both, 'the picture of a round does not show later ones'


def test_exhausted_images_are_booked_as_they_are(world: Path, tmp_path: Path) -> None:
    options = dict(budget=dict(share=1.0, rounds=2), acquisition=dict(type='PixelImpurity', radius=40))
    session = ActiveSession(
        {'active': {**active(world, tmp_path / 'set', **options), 'initial': None, 'img_norm_cfg': NORM}}
    )
    session.start()
    purchases = [session.select(number, Network(), CPU, show=False) for number in (1, 2)]
    assert [(p.regions, p.pixels) for p in purchases if p] == [(9, 9), (0, 0)], (
        'one pixel blocks each of the nine images'
    )


@pytest.mark.parametrize('acquisition', ['RandomRegions', 'RegionUncertainty', 'PixelImpurity'])
def test_every_region_acquisition_buys(acquisition: str, world: Path, tmp_path: Path) -> None:
    options = dict(type=acquisition, radius=2)
    session = ActiveSession(region_config(world, tmp_path / 'set'))
    block = active(
        world, tmp_path / acquisition, acquisition=options, budget=dict(pixels=8, rounds=2), group_by=None, initial=None
    )
    session = ActiveSession({'active': {**block, 'img_norm_cfg': session.pool.img_norm_cfg}})
    session.start()
    purchase = session.select(1, Network(), CPU, show=False)
    assert purchase is not None and purchase.pixels > 0


@pytest.mark.parametrize('acquisition', ['RandomImages', 'MeanMargin'])
def test_every_image_acquisition_buys(acquisition: str, world: Path, tmp_path: Path) -> None:
    session = ActiveSession(image_config(world, tmp_path / 'set', acquisition=dict(type=acquisition)))
    session.start()
    purchase = session.select(1, Network(), CPU, show=False)
    assert purchase is not None and len(purchase.images) == 2


def test_half_a_line_of_scores_does_not_count(world: Path, tmp_path: Path) -> None:
    session = ActiveSession(image_config(world, tmp_path / 'set'))
    session.start()
    with pytest.raises(Killed):
        session.rank(Network(calls=2), CPU, show=False)
    path = tmp_path / 'set' / 'rounds' / 'round_01' / 'scores_0.csv'
    path.write_text(path.read_text() + 'aachen/aachen_3,0.9')
    scores = session.rank(Network(), CPU, show=False)
    assert scores == ActiveSession(image_config(world, tmp_path / 'set')).rank(Network(calls=0), CPU, show=False)
    assert scores.get('aachen/aachen_3', 0) != 0.9


def test_scores_of_another_network_are_refused(world: Path, tmp_path: Path) -> None:
    (tmp_path / 'a.pth').write_bytes(b'a')
    (tmp_path / 'b.pth').write_bytes(b'b')
    session = ActiveSession(image_config(world, tmp_path / 'set'))
    session.start()
    session.rank(Network(), CPU, tmp_path / 'a.pth', show=False)
    with pytest.raises(LabelSetError, match='another network'):
        session.rank(Network(), CPU, tmp_path / 'b.pth', show=False)


def test_regions_are_not_chosen_by_two_networks(world: Path, tmp_path: Path) -> None:
    session = ActiveSession(region_config(world, tmp_path / 'set'))
    session.start()
    with pytest.raises(Killed):
        session.select(1, Network(calls=3), CPU, show=False, network='iteration 10')
    with pytest.raises(LabelSetError, match='begun with another network.*iteration 10'):
        session.select(1, Network(), CPU, show=False, network='iteration 20')
    assert session.select(1, Network(), CPU, show=False, network='iteration 10') is not None


@pytest.mark.parametrize('config', [image_config, region_config])
def test_a_network_that_gives_nan_buys_nothing(config: Any, world: Path, tmp_path: Path) -> None:
    session = ActiveSession(config(world, tmp_path / 'set'))
    session.start()
    with pytest.raises(LabelSetError, match='as NaN: has the training'):
        session.select(1, lambda image: torch.full((1, 4, *image.shape[2:]), float('nan')), CPU, show=False)
    assert session.label_set.finished == 0


def test_a_label_set_refuses_what_does_not_fit(world: Path, tmp_path: Path) -> None:
    session = ActiveSession(image_config(world, tmp_path / 'set'))
    session.start()
    bought = session.label_set.labeled[0]
    with pytest.raises(LabelSetError, match='bought twice'):
        session.label_set.commit(Purchase(1, 'x', [bought]))
    with pytest.raises(LabelSetError, match='not in the pool'):
        session.label_set.commit(Purchase(1, 'x', ['berlin/0']))
    with pytest.raises(LabelSetError, match='cannot follow'):
        session.label_set.commit(Purchase(3, 'x', []))
    with pytest.raises(LabelSetError, match='use another folder'):
        ActiveSession(region_config(world, tmp_path / 'set'))
    with pytest.raises(LabelSetError, match='another pool'):
        LabelSet(tmp_path / 'set', 'image', ['a'], 'other')
    other = ActiveSession(image_config(world, tmp_path / 'set'))
    with session.label_set.lock(), session.label_set.lock(), pytest.raises(LabelSetError, match='in use'):
        other.select(1, Network(), CPU, show=False)
    (tmp_path / 'set' / 'manifest.json').write_text('{"format"')
    with pytest.raises(LabelSetError, match='damaged'):
        ActiveSession(image_config(world, tmp_path / 'set'))


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (dict(budget=dict(share=0.1)), 'different annotations'),
        (dict(budget=dict(images=[1], share=0.1)), 'exactly one'),
        (dict(budget=dict(images=[0])), 'positive'),
        (dict(budget=dict(imagse=[1])), "did you mean 'images'"),
        (dict(acquisition=dict(type='MeanEntrpy')), "did you mean 'MeanEntropy'"),
        (dict(initial=None), 'active.initial is missing'),
        (dict(pool=None), 'active.pool is missing'),
        (dict(group_by='city'), 'group_by'),
        (dict(initial=dict(cuont=2)), "did you mean 'count'"),
        (dict(view=dict(mode='whole', sise=32)), "did you mean 'size'"),
    ],
)
def test_wrong_configs_are_named(changes: dict[str, Any], message: str, world: Path, tmp_path: Path) -> None:
    with pytest.raises((KeyError, ValueError), match=message):
        ActiveSession(image_config(world, tmp_path / 'set', **changes))

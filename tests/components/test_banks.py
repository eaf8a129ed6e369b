"""Banks: ring buffers equal queues, images are found by class, statistics of empty batches."""

from __future__ import annotations

import pytest
import torch

from mmseg_uda.components.banks import ClassConfidenceBank, KeyBank
from mmseg_uda.components.banks_images import ImageBank
from mmseg_uda.ops.u2pl import fifo_enqueue


def test_rings_of_several_classes_equal_queues() -> None:
    generator = torch.Generator().manual_seed(0)
    sizes = [5, 1, 7]
    bank = KeyBank(3, 2, sizes)
    queues = [torch.zeros(0, 2) for _ in sizes]
    for count in (4, 0, 9, 1, 3, 20):
        features = torch.randn(count, 2, generator=generator)
        masks = torch.rand(3, count, generator=generator) < 0.5
        bank.enqueue(features, masks)
        queues = [fifo_enqueue(queue, features[mask], size) for queue, mask, size in zip(queues, masks, sizes)]
        for label, queue in enumerate(queues):
            assert torch.equal(bank.contents(label), queue)
        assert bank.lengths.tolist() == [len(queue) for queue in queues]
    other = KeyBank(3, 2, sizes)
    other.load_state_dict(bank.state_dict())
    assert all(torch.equal(other.contents(label), queue) for label, queue in enumerate(queues))


def test_half_precision_keys() -> None:
    bank = KeyBank(1, 2, 4, dtype='float16')
    bank.enqueue(torch.full((2, 2), 0.5), torch.ones(1, 2, dtype=torch.bool))
    assert (
        bank.keys.dtype == torch.float16 and bank.contents(0).dtype == torch.float32 and (bank.contents(0) == 0.5).all()
    )


@pytest.mark.parametrize('sizes', [0, [3, 3], [3, -1, 3]])
def test_wrong_sizes_are_refused(sizes: object) -> None:
    with pytest.raises(ValueError, match='3 positive numbers'):
        KeyBank(3, 2, sizes)  # type: ignore[arg-type]


def test_images_are_found_by_class() -> None:
    bank = ImageBank(3, size=4)
    images = torch.rand(3, 3, 6, 6)
    slots = bank.insert(images)
    assert slots.tolist() == [0, 1, 2]
    anything = bank.candidates(torch.tensor([2]))
    assert anything.tolist() == [[1, 1, 1, 0]], 'nothing is known yet: every crop may be drawn'
    predictions = torch.zeros(3, 6, 6, dtype=torch.int64)
    predictions[1, :3] = 2
    bank.note_presence(slots, predictions)
    assert bank.candidates(torch.tensor([2, 0, 1])).tolist() == [[0, 1, 0, 0], [1, 1, 1, 0], [1, 1, 1, 0]]
    torch.testing.assert_close(bank.fetch(torch.tensor([1])), images[1:2], atol=1e-3, rtol=0)
    assert bank.insert(images[:2]).tolist() == [3, 0], 'the oldest crop is overwritten'
    assert bank.presence[:, 0].sum() == 0
    other = ImageBank(3, size=4)
    other.load_state_dict(bank.state_dict())
    assert torch.equal(other.images, bank.images)


def test_the_image_bank_refuses_other_sizes() -> None:
    bank = ImageBank(3, size=2)
    with pytest.raises(ValueError, match='at least 3'):
        bank.insert(torch.rand(3, 3, 4, 4))
    bank.insert(torch.rand(1, 3, 4, 4))
    with pytest.raises(ValueError, match='crop size of the checkpoint'):
        bank.insert(torch.rand(1, 3, 5, 5))


def test_absent_classes_and_confidence() -> None:
    counts = torch.tensor([4.0, 0.0])
    sums = torch.tensor([4.0, 0.0])
    for skip, expected in ((True, 0.5), (False, 0.45)):
        bank = ClassConfidenceBank(2, momentum=0.9, skip_absent=skip)
        bank.value.fill_(0.5)
        bank.update(sums, counts)
        assert bank.value.tolist() == pytest.approx([0.55, expected])

"""DACS (Tranheden et al. 2021, arXiv 2007.08702) from top to bottom in plain torch, without the package.

    python examples/dacs_in_100_lines.py

A student learns labelled source images, and mixed images: half of the source's classes pasted on target images,
labelled by the source where it was pasted and by a teacher elsewhere. The teacher is the moving average of the student.
`uda = dict(type='DACS', ...)` computes the same on any segmentor (tests/test_examples.py compares the numbers); it adds
strong augmentation of the mixed images, several GPUs, half precision, exact resume and everything about data.
"""

import copy

import torch
import torch.nn.functional as F
from torch import nn

IGNORE = 255  # label of pixels that do not count


def paste_mask(label, draws):
    """Where half of the classes of each image are, rounded up: bool (B, 1, H, W) of labels (B, H, W).

    `draws` (B, 256) holds a uniform number per image and class: the classes with the smallest ones are pasted.
    """
    masks = []
    for one, draw in zip(label, draws):
        classes = one.unique()  # of this image
        chosen = classes[draw[classes].argsort()[: (len(classes) + 1) // 2]]
        masks.append(torch.isin(one, chosen))  # (H, W)
    return torch.stack(masks)[:, None]  # (B, 1, H, W)


@torch.no_grad()
def pseudo_label(teacher, img, threshold):
    """The teacher's classes (B, H, W), and their weight (B, H, W): the share of confident pixels in the image."""
    confidence, label = teacher(img).softmax(dim=1).max(dim=1)  # (B, H, W) each
    share = (confidence >= threshold).float().mean(dim=(1, 2), keepdim=True)  # (B, 1, 1)
    return label, share.expand_as(confidence)


@torch.no_grad()
def follow(teacher, student, iteration, alpha):
    """Exponential moving average; the first iterations average everything seen so far."""
    rate = min(1 - 1 / (iteration + 1), alpha)
    for old, new in zip(teacher.parameters(), student.parameters()):
        old.copy_(rate * old + (1 - rate) * new)


def weighted_cross_entropy(scores, label, weight=None):
    """Mean over all pixels; those labelled 255 count as 0."""
    loss = F.cross_entropy(scores, label, ignore_index=IGNORE, reduction='none')  # (B, H, W)
    return (loss if weight is None else loss * weight).mean()


def train_step(student, teacher, optimizer, batch, draws, iteration, alpha=0.999, threshold=0.968):
    """One iteration on (source images, source labels, target images); returns the two losses."""
    source, label, target = batch  # (B, 3, H, W), (B, H, W) int64, (B, 3, H, W)
    follow(teacher, student, iteration, alpha)
    optimizer.zero_grad()
    supervised = weighted_cross_entropy(student(source), label)
    supervised.backward()  # now, so that its graph is freed before the next one is built
    guess, weight = pseudo_label(teacher, target, threshold)
    mask = paste_mask(label, draws)  # (B, 1, H, W)
    mixed_img = torch.where(mask, source, target)
    mixed_label = torch.where(mask[:, 0], label, guess)
    mixed_weight = torch.where(mask[:, 0], torch.ones_like(weight), weight)
    mixed = weighted_cross_entropy(student(mixed_img), mixed_label, mixed_weight)
    mixed.backward()
    optimizer.step()
    return supervised.item(), mixed.item()


def draw_batch(generator, size=4, classes=4):
    """Blocks of classes; a class is a colour in the source, and a darker, noisier one in the target."""
    blocks = torch.randint(0, classes, (2 * size, 4, 4), generator=generator)
    label = blocks.repeat_interleave(8, 1).repeat_interleave(8, 2)  # (2B, 32, 32)
    colours = torch.tensor([[1.0, 0.2, 0.1], [0.1, 0.9, 0.2], [0.2, 0.2, 1.0], [0.8, 0.8, 0.1]])
    img = colours[label].permute(0, 3, 1, 2) + 0.1 * torch.randn(2 * size, 3, 32, 32, generator=generator)
    dark = 0.5 * img[size:] + 0.15 * torch.randn(img[size:].shape, generator=generator)
    return (img[:size], label[:size], dark), label[size:]


def main(iterations=200):
    torch.manual_seed(0)
    generator = torch.Generator().manual_seed(0)
    student = nn.Sequential(nn.Conv2d(3, 16, 5, padding=2), nn.ReLU(), nn.Conv2d(16, 4, 5, padding=2))
    teacher = copy.deepcopy(student).requires_grad_(False)
    optimizer = torch.optim.Adam(student.parameters(), lr=2e-3)
    for iteration in range(iterations):
        batch, truth = draw_batch(generator)
        draws = torch.rand(len(batch[0]), 256, generator=generator)
        losses = train_step(student, teacher, optimizer, batch, draws, iteration)
        if (iteration + 1) % 50 == 0:
            right = (student(batch[2]).argmax(dim=1) == truth).float().mean().item()
            print(f'{iteration + 1}: source {losses[0]:.3f}, mixed {losses[1]:.3f}, right on the target {right:.1%}')


if __name__ == '__main__':
    main()

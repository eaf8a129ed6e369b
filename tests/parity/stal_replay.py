"""Stand-ins for the STAL parity tests: recorded decisions, stored network outputs, weights by formula."""

from __future__ import annotations

from typing import Any, Callable, Sequence

import pytest
import torch
from torch import Tensor

from mmseg_uda.components.adaptive_draws import AdaptiveDraws
from mmseg_uda.methods.stal import STAL
from mmseg_uda.models.modes import set_training_modes
from mmseg_uda.models.representation import SegmentorOutput
from mmseg_uda.ops import ael as semi_supervised
from mmseg_uda.ops import u2pl as contrast
from tests.harness.synthetic import tiny_model
from tests.parity.golden import DEFAULT, golden_files

LOSS = dict(atol=1e-5, rtol=1e-4)
GRAD = dict(atol=1e-6, rtol=1e-4)


def vectors(pattern: str) -> Any:
    files = golden_files('stal', pattern)
    return pytest.mark.parametrize('path', files, ids=[path.stem for path in files])


def close(actual: Any, expected: Any, **tolerance: float) -> None:
    actual = torch.as_tensor(actual)
    torch.testing.assert_close(actual, torch.as_tensor(expected).to(actual.dtype), **(tolerance or LOSS))


def official_rules(d: dict[str, Tensor]) -> contrast.ContrastRules:
    """The contrastive loss as released, with the options of a vector."""
    return contrast.ContrastRules(
        low_rank=int(d['cfg_low_rank']),
        high_rank=int(d['cfg_high_rank']),
        anchor_threshold=float(d['cfg_current_class_threshold']),
        negative_threshold=float(d['cfg_current_class_negative_threshold']),
        num_queries=int(d['cfg_num_queries']),
        num_negatives=int(d['cfg_num_negatives']),
        temperature=float(d['cfg_temperature']),
        official_keys=True,
        official_slots=True,
        confidence_weighted=bool(d['conf_weight']),
    )


def or_zero(loss: Tensor, gradient: Tensor) -> tuple[Tensor, Tensor]:
    """The recorded loss and gradient, or zeros where the released code divides by zero."""
    defined = bool(torch.isfinite(loss))
    return (loss, gradient) if defined else (torch.zeros_like(loss), torch.zeros_like(gradient))


class ReplayedDraws(AdaptiveDraws):
    """Recorded decisions instead of random ones."""

    active: Callable[[], Tensor]

    def __init__(self, vector: dict[str, Tensor]) -> None:
        self.vector = vector
        self.maps = iter(('cons_rand_sup', 'cons_rand_unsup'))  # in the order in which they are asked for
        self.indices = iter(('anchor_idx', 'negative_idx'))

    def uniform(self, sample: int, count: int = 1) -> list[float]:
        return [0.0] * count

    def paste_classes(self, classes: Tensor, probability: Tensor, count: int) -> Tensor:
        assert torch.equal(classes, self.vector['acp_classes']) and count == 3
        close(probability, self.vector['acp_prob'])
        return self.vector['acp_draws']

    def base_images(self, available: int, wanted: int) -> list[int]:
        return [0 if self.vector['u_pick'] > 0.5 else 1]

    def guide_classes(self, probability: Tensor, samples: Any) -> Tensor:
        close(probability, self.vector['bank_class_prob'])
        return self.vector['bank_class'].reshape(1)

    def partners(self, weights: Tensor, samples: Any) -> Tensor:
        assert weights[0, self.vector['second_id']] == 1
        return self.vector['second_id'].reshape(1)

    def component_order(self, count: int, sample: int) -> list[int]:
        order = self.vector['cutmix_component_order'].tolist()
        assert sorted(order) == list(range(1, count + 1))
        return order

    def box(self, sample: int) -> tuple[float, tuple[float, float]]:
        return float(self.vector['cutmix_u_y']), tuple(self.vector['cutmix_u_pos'].tolist())

    def class_maps(self, classes: int, size: tuple[int, int]) -> Tensor:
        return self.vector[next(self.maps)]

    def ranks(self, counts: Tensor, number: int) -> Tensor:
        table = torch.zeros(len(counts), number, dtype=torch.int64)
        table[self.active()] = self.vector[next(self.indices)]
        return table


class ReplayedNetworks:
    """Stored outputs in place of the student's and the teacher's forward passes, in the published order of calls."""

    def __init__(self, vector: dict[str, Tensor], method: STAL) -> None:
        self.method = method
        self.inputs: dict[str, Tensor] = {}
        self.modes: dict[str, list[bool]] = {'student': [], 'teacher': []}
        empty = torch.zeros(1, 1, 1, 1)
        self.leaves = {
            name: vector[f'student_{name}'].clone().requires_grad_()
            for name in ('sup_pred', 'sup_aux', 'sup_rep', 'unsup_pred', 'unsup_rep')
        }
        leaf = self.leaves
        self.outputs = {
            'student': [
                ('sup', SegmentorOutput(leaf['sup_pred'], (leaf['sup_aux'],), leaf['sup_rep'])),
                ('unsup', SegmentorOutput(leaf['unsup_pred'], (), leaf['unsup_rep'])),
            ],
            'teacher': [
                ('sup', SegmentorOutput(vector['teacher_sup_pred'], (), vector['teacher_sup_rep'])),
                ('weak', SegmentorOutput(vector['teacher_weak_pred'], (), empty)),
                ('strong', SegmentorOutput(empty, (), vector['teacher_strong_rep'])),
            ],
        }

    def __call__(self, network: torch.nn.Module, img: Tensor, *_: Any, **__: Any) -> SegmentorOutput:
        name = 'student' if network is self.method.student else 'teacher'
        step, output = self.outputs[name][len(self.modes[name])]
        self.modes[name].append(network.training)
        self.inputs[f'{name}_{step}'] = img
        return output


def official_stal(d: dict[str, Tensor], fraction_min_kept: float) -> STAL:
    """A STAL with every released behaviour and the state of a vector."""
    classes, images = int(d['num_classes']), d['cutmix_bank_before'].shape[1]
    model = tiny_model(classes)
    model['decode_head']['align_corners'] = True
    # the released code begins with epoch 20, whatever their number
    contrast_options: Any = dict(official=True, low_percent=20.0, high_percent=80.0, start=20 / int(d['total_epochs']))
    if 'anchor_idx' in d:
        names = {
            'low_rank': 'low_rank',
            'high_rank': 'high_rank',
            'anchor_threshold': 'current_class_threshold',
            'negative_threshold': 'current_class_negative_threshold',
            'num_queries': 'num_queries',
            'num_negatives': 'num_negatives',
            'temperature': 'temperature',
        }
        contrast_options.update(
            {ours: d[f'cfg_{theirs}'].item() for ours, theirs in names.items()},
            bank_size_overrides=dict(enumerate(d['queue_size'].tolist())),
            low_percent=float(d['cfg_low_entropy_threshold']),
            high_percent=float(d['cfg_unsupervised_entropy_ignore']),
        )
    method = STAL(
        model=model,
        max_iters=int(d['total_epochs']),
        ohem=dict(min_kept_per_image=fraction_min_kept),
        copy_paste=dict(prob=1.0),
        num_mixed=1,
        cutmix=dict(size=images + 1, dtype='float32'),
        drop='low_official',
        joint_forward=False,
        contrast=contrast_options,
        representation=dict(channels=d['student_sup_rep'].shape[1], dropout=0.0),
    )
    method.iteration = int(d['epoch'])
    method.confidence.value.copy_(d['class_conf_before'][0])
    bank = method.image_bank
    bank.images = torch.zeros(bank.size, *d['unlabeled_second'].shape)
    bank.images[d['second_id']] = d['unlabeled_second']
    bank.presence[:, :images].copy_(d['cutmix_bank_before'])
    bank.filled[:images].fill_(True)
    bank.head.fill_(
        images
    )  # the crop of this iteration gets a slot of its own: what is known of its image stays in place until the update
    if 'bank_before' in d:
        method.contrast.bank.load(d['bank_before'], d['bank_len_before'])
    return method


def presence_by_image(method: STAL, d: dict[str, Tensor]) -> Tensor:
    """The presence bank of an iteration with one column per image; of equal images the second wins."""
    presence = method.image_bank.presence.clone()
    base = d['unlabeled_ids'][0 if d['u_pick'] > 0.5 else 1]
    if base != d['second_id']:
        presence[:, base] = presence[:, -1]
    return presence[:, :-1]


def formula_state(shapes: dict[str, torch.Size]) -> dict[str, Tensor]:
    """Weights by official name: the formula of the golden README."""
    state = {}
    for name, shape in shapes.items():
        short = name.split('.', 1)[1]  # names relative to the module ...
        short = short if name.startswith('decoder') else name[len('auxor.') :]
        phase = sum((i + 1) * ord(char) for i, char in enumerate(short)) % 997 / 100
        wave = torch.sin(0.37 * torch.arange(max(shape.numel(), 1), dtype=torch.float64) + phase).float().reshape(shape)
        if name.endswith('running_var'):
            state[name] = 1 + 0.2 * wave
        elif len(shape) == 1 and name.endswith('weight'):
            state[name] = 1 + 0.1 * wave
        elif not name.endswith('num_batches_tracked'):
            state[name] = 0.05 * wave
    return state


def official_tensors() -> list[tuple[str, list[int]]]:
    """Names and shapes of the released full model; a redirected folder need not repeat the list."""
    name = 'stal_official_param_shapes.tsv'
    path = next(iter(golden_files('stal', name)), DEFAULT / 'stal' / name)
    rows = [line.split('\t')[:2] for line in path.read_text().splitlines()[1:]]
    return [(name, [] if shape == 'scalar' else [int(size) for size in shape.split('x')]) for name, shape in rows]


def official_shapes(num_classes: int) -> dict[str, torch.Size]:
    """Decoder and auxiliary tensors of the released model with another number of classes."""
    shapes = {}
    for name, sizes in official_tensors():
        if not name.startswith('encoder'):
            if name.startswith(('decoder.classifier.8', 'auxor.aux.4')):
                sizes[0] = num_classes
            shapes[name] = torch.Size(sizes)
    return shapes


class Recorder:
    """Keeps arguments and results of some functions while they are called as usual."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, functions: Sequence[tuple[Any, str]]) -> None:
        self.calls: dict[str, list[Any]] = {name: [] for _, name in functions}
        for module, name in functions:
            monkeypatch.setattr(module, name, self._wrapped(getattr(module, name), name))

    def _wrapped(self, original: Any, name: str) -> Any:
        def call(*args: Any, **kwargs: Any) -> Any:
            self.calls[name].append((args, original(*args, **kwargs)))
            return self.calls[name][-1][1]

        return call


def replay_iteration(
    d: dict[str, Tensor], monkeypatch: pytest.MonkeyPatch
) -> tuple[STAL, ReplayedNetworks, dict[str, Any], dict[str, list[Any]]]:
    """Run one iteration of an official STAL on a vector's inputs: the method, the networks, the loss terms and the
    recorded calls."""
    batch_size, _, size, _ = d['images_sup_raw'].shape
    method = official_stal(d, float(d['cfg_min_kept']) / batch_size)
    networks, draws = ReplayedNetworks(d, method), ReplayedDraws(d)
    monkeypatch.setattr('mmseg_uda.methods.stal.forward_with_representation', networks)
    monkeypatch.setattr(method, 'draws', lambda device: draws)
    names = ('contrast_masks', 'contrast_sets', 'contrast_slots', 'onehot_ignore')
    recorder = Recorder(
        monkeypatch, [(semi_supervised, 'confidence_weighted_ce'), *((contrast, name) for name in names)]
    )
    draws.active = lambda: recorder.calls['contrast_slots'][-1][1].active
    set_training_modes(method)
    batch = {
        'labeled_target_img': d['images_sup_raw'][:, :3],
        'labeled_target_gt_semantic_seg': d['labels_sup_raw'][:, None, :size],
        'paste_img': d['images_sup_raw'][:, 3:],
        'paste_gt_semantic_seg': d['labels_sup_raw'][:, None, size:],
        'target_img': d['unlabeled_batch'],
    }
    terms = {term.name: term for term in method.training_losses(batch)}
    return method, networks, terms, recorder.calls

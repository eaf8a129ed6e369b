"""The parity tests together must use every array of every vector file: what they ignore, other files of the family may
hold differently.

Several tests may share a file, on several processes: each reports what it looked at, and the last word is spoken when
the session ends, if all parity tests ran.
"""

from __future__ import annotations

import fnmatch
from pathlib import Path
from typing import Any

import pytest

from tests.parity import golden

HERE = Path(__file__).resolve().parent
#: arrays (file pattern, names) that hold nothing to compare, and why
NOTHING_TO_COMPARE = {
    ('*_mix_*', 'numpy_seed'): 'seed of the released draws, which are stored as well',
    ('*step*', 'source_positions'): 'positions of the drawn classes, which are stored as well',
    ('color_jitter_*', 'strength'): 'the factors that were drawn with it are stored',
    ('color_jitter_skip*', 'mean std'): 'the jitter is off',
    ('paste_then_augment_*', 'sigma mean std'): 'blur or jitter are off',
    ('gaussian_blur_skip*', 'kernel_size_yx'): 'the blur is off',
    ('feat_dist_all*', 'label min_ratio scale_factor'): 'without classes every cell counts',
    ('step_da*', 'mask_block mask_ratio'): 'no masked images in these methods',
    ('stal_consistency_nosample*', 'rand'): 'nothing is sampled',
    ('stal_ohem_allignored*', 'grad_main grad_aux'): 'gradients of a loss that is not a number; here it is 0',
    ('stal_queue_*', 'ptr_*'): 'a pointer that nothing reads',
    (
        'stal_train_step_*',
        'class_conf_used cutmix_mask cutmix_used_random_box labels_sup',
    ): 'their effects are compared',
    ('frame_names_*', 'cityscapes_flow_dc_db_da_ba_released'): 'the fault of the released names, which is not followed',
    ('tps_step_*', 'mean target_rgb'): 'the normalised frames are stored',
    ('step_[cv]*', 'iter mean target_rgb pasted_source_classes'): 'the frames and patches made of them are stored',
    ('step_[cv]*', 'pseudo_label pseudo_label_key pseudo_prob pseudo_key_max_logit'): 'masks and losses are compared',
    ('step_*_student', 'frozen/*'): 'the student labels',
    ('dinov2_*', 'cls_norm'): 'the class token, which no segmentor reads',
}
#: path of a vector file -> its arrays that nobody has looked at
_UNUSED: dict[str, set[str]] = {}


def _note(found: dict[str, list[str]]) -> None:
    for path, names in found.items():
        _UNUSED[path] = _UNUSED.get(path, set(names)) & set(names)


def pytest_runtest_teardown() -> None:
    for vector in golden.OPENED:
        _note({str(vector.path): vector.unused})
    golden.OPENED.clear()


def _to_compare(path: Path, names: set[str]) -> list[str]:
    excused = [names_of for (pattern, names_of) in NOTHING_TO_COMPARE if path.match(f'{pattern}.npz')]
    patterns = [pattern for names_of in excused for pattern in names_of.split()]
    return sorted(name for name in names if not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns))


def _is_whole(config: pytest.Config) -> bool:
    """Whether all parity tests were asked for."""
    if config.option.keyword or config.option.markexpr or getattr(config.option, 'deselect', None):
        return False
    roots = [Path(str(config.invocation_params.dir), argument).resolve() for argument in config.args]
    return any(root == HERE or root in HERE.parents for root in roots)


class _Gather:
    """Brings the workers' notes together."""

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any, error: Any) -> None:
        _note(getattr(node, 'workeroutput', {}).get('unused_arrays', {}))

    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        output = getattr(session.config, 'workeroutput', None)
        if output is not None:  # a worker
            output['unused_arrays'] = {path: sorted(names) for path, names in _UNUSED.items()}
            return
        left = {Path(path).name: _to_compare(Path(path), names) for path, names in sorted(_UNUSED.items())}
        left = {name: arrays for name, arrays in left.items() if arrays}
        if left and exitstatus == 0 and _is_whole(session.config):
            reporter = session.config.pluginmanager.getplugin('terminalreporter')
            for name, arrays in left.items():
                reporter.write_line(f'FAILED {name}: no parity test looked at {", ".join(arrays)}')
            session.exitstatus = pytest.ExitCode.TESTS_FAILED


def pytest_configure(config: pytest.Config) -> None:
    config.pluginmanager.register(_Gather(), 'unused-arrays')

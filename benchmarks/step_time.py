"""Processor seconds of single training steps of a config, on the data that it names.

    OMP_NUM_THREADS=1 python benchmarks/step_time.py configs/dacs/toy_gta_to_toy_cityscapes.py [--steps 8]

Runs on older checkouts as well (PYTHONPATH=CHECKOUT), so that ``all.py`` can compare two commits in turn, A B A B.
"""

from __future__ import annotations

import argparse
import logging
import os
import statistics
import sys
import tempfile
import time
import warnings
from pathlib import Path

if not os.environ.get('PYTHONPATH'):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
warnings.filterwarnings('ignore')

from mmcv import Config  # noqa: E402

import mmseg_uda  # noqa: E402, F401  (first: it prepares mmcv)
from mmseg_uda.engine.data import build_train_loader, to_device  # noqa: E402
from mmseg_uda.engine.environment import prepare_data, start_processes  # noqa: E402
from mmseg_uda.engine.train import build_runner  # noqa: E402


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config')
    parser.add_argument('--steps', type=int, default=8, help='steps; the first one is not counted')
    args = parser.parse_args()
    logging.getLogger('mmcv').setLevel(logging.ERROR)
    cfg = Config.fromfile(args.config)
    cfg.seed, cfg.data.workers_per_gpu = 0, 0
    if (cfg.get('uda') or {}).get('source_iters'):  # steps on labels alone are none of the method's
        cfg.uda.source_iters = 0
    with tempfile.TemporaryDirectory() as folder:
        cfg.work_dir = folder
        device = start_processes('none', None, 'cpu')
        prepare_data(cfg)
        runner, dataset = build_runner(cfg, device, args.config, logging.getLogger('steps'), {})
        runner.model.train()
        batches = iter(build_train_loader(dataset, cfg.data, 1, 0))
        seconds = []
        for iteration in range(args.steps):
            batch = to_device(next(batches), device, runner.channels_last)
            start = time.process_time()
            runner.step([batch], iteration)
            seconds.append(time.process_time() - start)
    counted = seconds[1:]
    print(f'{args.config}: {min(counted):.3f} least, {statistics.median(counted):.3f} median processor seconds a step')


if __name__ == '__main__':
    main()

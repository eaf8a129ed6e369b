"""Command line of ``tools/test.py``."""

from __future__ import annotations

import argparse
from typing import Optional, Sequence

from .common import FORMATS, DictAction, add_common_arguments


def parse_args(argv: Optional[Sequence[str]] = None) -> argparse.Namespace:
    """mmseg's test flags, ``--eval-teacher``, ``--format`` and ``--precision``."""
    parser = argparse.ArgumentParser(description='Test a checkpoint')
    parser.add_argument('config', help='config file')
    parser.add_argument('checkpoint', help='checkpoint file')
    parser.add_argument('--work-dir', help="folder for the metrics file (default: the checkpoint's folder)")
    parser.add_argument('--eval', nargs='+', default=None, help="metrics, such as 'mIoU', 'mDice' (default: mIoU)")
    parser.add_argument('--eval-options', nargs='+', action=DictAction, help='options of the evaluation, key=value')
    parser.add_argument('--eval-teacher', action='store_true', help='test the EMA teacher instead of the student')
    parser.add_argument('--test-with', help='test this network of the method (student, teacher, ...)')
    parser.add_argument(
        '--ensemble-with',
        nargs=2,
        action='append',
        default=[],
        metavar=('CONFIG', 'CHECKPOINT'),
        help='take the mean of the scores with those of this network (may be repeated)',
    )
    parser.add_argument(
        '--format-only', action='store_true', help='write predictions without evaluating (no labels needed)'
    )
    parser.add_argument('--format', choices=FORMATS, default=None, help='file format of saved predictions')
    parser.add_argument(
        '--out',
        help='pickle file for the label maps or, with --eval, for the counts of every image (as MMSegmentation)',
    )
    parser.add_argument(
        '--temporal',
        action='store_true',
        help='video data sets: also the agreement with the prediction of the frame before, moved by optical flow',
    )
    parser.add_argument('--show-dir', help='folder for predictions (colour overlays unless --format says otherwise)')
    parser.add_argument('--opacity', type=float, default=0.5, help='of the colours in overlays')
    parser.add_argument('--aug-test', action='store_true', help='multi-scale and flipped test')
    parser.add_argument('--precision', choices=['fp32', 'bf16', 'fp16'], default='fp32', help='autocast precision')
    parser.add_argument('--windows-per-batch', type=int, default=8, help='sliding windows in one forward pass')
    parser.add_argument('--gpu-id', type=int, default=0)
    parser.add_argument(
        '--gpu-collect', action='store_true', help='accepted for compatibility: results are gathered without files'
    )
    parser.add_argument('--tmpdir', help='accepted for compatibility: results are gathered without files')
    add_common_arguments(parser)
    args = parser.parse_args(argv)
    if args.eval_teacher and args.test_with not in (None, 'teacher'):
        parser.error('--eval-teacher and --test-with contradict each other')
    if args.format_only and args.eval:
        parser.error('--format-only and --eval contradict each other')
    if args.out is not None and not args.out.endswith(('.pkl', '.pickle')):
        parser.error(f"--out writes a pickle file (.pkl), got '{args.out}'")
    return args

"""Convert published checkpoints to this package's names, or back: ``python tools/convert_checkpoint.py SOURCE
TARGET``."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.convert_checkpoint:main', 'convert_checkpoint')

"""Test a checkpoint: ``python tools/test.py CONFIG CHECKPOINT --eval mIoU`` (flags as in MMSegmentation)."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.test:main', 'test')

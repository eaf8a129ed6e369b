"""Train a config: ``python tools/train.py CONFIG`` (flags as in MMSegmentation)."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.train:main', 'train')

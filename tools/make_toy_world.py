"""Draw the toy world: ``python tools/make_toy_world.py [--datasets gta cityscapes]``."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.toy_world:main', 'make_toy_world')

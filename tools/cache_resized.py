"""Decode and resize the training images of a config once, for faster reading (``data.cache``)."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.cache_tool:main', 'cache_resized')

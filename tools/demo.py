"""The demo of the README: ``make demo``."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.demo:main', 'demo')

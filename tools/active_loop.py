"""Train and buy labels in turn, for all rounds of a config: ``python tools/active_loop.py CONFIG``; run it again to
go on."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.active.loop:main', 'active_loop')

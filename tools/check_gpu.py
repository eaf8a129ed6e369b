"""Check the machine and time a config's steps on it: ``python tools/check_gpu.py [CONFIG ...]``."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.machine:main', 'check_gpu')

"""Speed, FLOPs, parameters and memory of a network at test time: ``python tools/benchmark.py CONFIG [CHECKPOINT]``."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.benchmark:main', 'benchmark')

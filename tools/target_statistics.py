"""AdaBN: give a trained network the batch norm statistics of the target: ``python tools/target_statistics.py CONFIG
CHECKPOINT --out FILE``."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.target_statistics:main', 'target_statistics')

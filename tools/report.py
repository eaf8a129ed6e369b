"""Compare runs in one HTML file: ``python tools/report.py WORK_DIR [WORK_DIR ...]``."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.report:main', 'report')

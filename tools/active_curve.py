"""mIoU against bought labels: ``python tools/active_curve.py [NAME=]WORK_DIR[,WORK_DIR] ... --out curve.png``."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.active.curve:main', 'active_curve')

"""Check the files of a config's data sets: ``python tools/check_dataset.py CONFIG [--only source val]``.

Reports missing labels, corrupt images and labels, unexpected ids, differing sizes, and the class histogram. Exit
status 1 when anything is wrong.
"""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.dataset_tools:check', 'check_dataset')

"""Class statistics of a labelled data set, as rare-class sampling uses them:

``python tools/class_stats.py CONFIG [--part source] [--min-pixels 3000] [--class-temp 0.01] [--out-dir DIR]``

Counts what is not stored yet, prints the share, the files and the sampling probability of every class, and with
``--out-dir`` writes the three published JSON files.
"""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.dataset_tools:count', 'class_stats')

"""Pseudo-labels of a whole data set: ``python tools/pseudo_labels.py extract|threshold|stats|show``."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.pseudo_label_tool:main', 'pseudo_labels')

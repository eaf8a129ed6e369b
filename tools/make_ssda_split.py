"""Split a config's target set into labelled and unlabelled images, for training with a few target labels:

``python tools/make_ssda_split.py CONFIG --number 100 200 500 --seed 0 1 2 --out-dir data/cityscapes/splits/ssda``

One list of image names per line, as MMSegmentation's ``split`` reads it. Equal seeds give nested lists.
"""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.dataset_tools:split', 'make_ssda_split')

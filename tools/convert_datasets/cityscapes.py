"""Convert Cityscapes label ids to train ids and write split lists:

``python tools/convert_datasets/cityscapes.py data/cityscapes --nproc 8``.
"""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.datasets.conversion:main', 'convert_datasets', data_set='cityscapes')

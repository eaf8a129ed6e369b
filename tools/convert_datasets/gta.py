"""Convert GTA5 labels to Cityscapes train ids: ``python tools/convert_datasets/gta.py data/gta --nproc 8``."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.datasets.conversion:main', 'convert_datasets', data_set='gta')

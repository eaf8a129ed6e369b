"""Export a trained network: ``python tools/export.py CONFIG CHECKPOINT --out FOLDER [--onnx] [--torchscript]``."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.export:main', 'export')

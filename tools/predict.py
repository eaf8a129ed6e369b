"""Segment own images: ``python tools/predict.py CONFIG CHECKPOINT IMAGE_OR_FOLDER ... --out FOLDER``."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.predict:main', 'predict')

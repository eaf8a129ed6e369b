"""Pictures of what the network sees: ``python tools/browse_dataset.py CONFIG --out FOLDER``."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.browse:main', 'browse_dataset')

"""Choose what to annotate and keep the books: ``python tools/select_active.py rank|buy|import|status|pictures
CONFIG``."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.active.cli:main', 'select_active')

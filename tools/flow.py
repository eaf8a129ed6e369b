"""Optical flow of a config's videos: ``python tools/flow.py compute|check|show CONFIG``."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.flow_tool:main', 'flow')

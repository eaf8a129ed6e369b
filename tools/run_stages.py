"""Run a recipe of several stages, such as ESL's: ``python tools/run_stages.py CONFIG``. Goes on where it stopped."""

from mmseg_uda_command import start_tool

if __name__ == '__main__':
    start_tool('mmseg_uda.engine.stages:main', 'run_stages')

"""Small stateful parts built from configs, each on top of :mod:`mmseg_uda.ops`."""

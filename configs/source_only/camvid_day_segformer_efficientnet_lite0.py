# Source-only: CamVid by day, tested at dusk. Small network for a CPU.
_base_ = ['../_base_/recipes/source_only_camvid.py', '../_base_/datasets/camvid_day_256x256.py']

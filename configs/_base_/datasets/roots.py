# Where the data sets lie: below the folder MMSEG_UDA_DATA, by default data. One that lies elsewhere: change its line.
import os

_data = os.environ.get('MMSEG_UDA_DATA', 'data')
roots = dict(
    acdc=f'{_data}/acdc/',
    bdd100k=f'{_data}/bdd100k/',
    cityscapes=f'{_data}/cityscapes/',
    dark_zurich=f'{_data}/dark_zurich/',
    gta=f'{_data}/gta/',
    idd=f'{_data}/idd/',
    loveda=f'{_data}/loveDA/',
    mapillary=f'{_data}/mapillary/',
    polyps=f'{_data}/polyps/',
    potsdam=f'{_data}/potsdam/',
    potsdam_irrg=f'{_data}/potsdam_irrg/',
    synscapes=f'{_data}/synscapes/',
    synthia=f'{_data}/synthia/',
    synthia_seq=f'{_data}/synthia_seq/',
    urbansyn=f'{_data}/urbansyn/',
    vaihingen=f'{_data}/vaihingen/',
    toy_acdc=f'{_data}/toy/acdc/',
    toy_cityscapes=f'{_data}/toy/cityscapes/',
    toy_cityscapesHR=f'{_data}/toy_512x256/cityscapes/',
    toy_cityscapes_seq=f'{_data}/toy/cityscapes_seq/',
    toy_gta=f'{_data}/toy/gta/',
    toy_gtaHR=f'{_data}/toy_512x256/gta/',
    toy_idd=f'{_data}/toy/idd/',
    toy_loveda=f'{_data}/toy/loveda/',
    toy_mapillary=f'{_data}/toy/mapillary/',
    toy_polyps=f'{_data}/toy/polyps/',
    toy_potsdam_irrg=f'{_data}/toy/potsdam_irrg/',
    toy_synthia=f'{_data}/toy/synthia/',
    toy_synthia_seq=f'{_data}/toy/synthia_seq/',
    toy_vaihingen=f'{_data}/toy/vaihingen/',
    toy_viper_seq=f'{_data}/toy/viper_seq/',
    viper=f'{_data}/viper/',
)
# where computed optical flow is kept; may be removed at any time
flow_cache = f'{_data}/flow_cache'
# where STAL's rounds note the images that they bought
bought = dict(
    camvid=os.environ.get('MMSEG_UDA_CAMVID', f'{_data}/camvid') + '/active',
    cityscapes=f'{_data}/cityscapes/active',
    toy_cityscapes=f'{_data}/toy/cityscapes/active',
)

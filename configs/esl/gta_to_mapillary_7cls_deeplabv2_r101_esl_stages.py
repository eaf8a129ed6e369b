# ESL: GTA5 to Mapillary Vistas (7 super classes). A recipe for tools/run_stages.py.
# The model that labels is the best one on target validation labels, as in the papers; {advent}/latest.pth needs none.
stages = [
    dict(name='advent', type='train', config='../advent/gta_to_mapillary_7cls_deeplabv2_r101.py'),
    dict(
        name='labels',
        type='pseudo_labels',
        config='../advent/gta_to_mapillary_7cls_deeplabv2_r101.py',
        checkpoint='{advent}/best_mIoU_iter_*.pth',
        criterion='entropy',
    ),
    dict(
        name='retrain',
        type='train',
        config='gta_to_mapillary_7cls_retrain_deeplabv2_r101.py',
        options={'data.train.target.folder': '{labels}'},
    ),
]

"""The rows of the study: which config runs with which changes and seeds, in which world."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Sequence

from .worlds import CAMVID, CAMVID_SCALE, ONE, THREE, TOY, TWO, Row, schedule

#: end of the names of self-training rows of the toy world whose first 300 iterations learn from labels alone
LABELS_FIRST = '_source300'
#: all rows are trained and tested with these, whatever the small configs have: those of the target are a column
_STATISTICS = {'uda.running_statistics': 'training'}
#: QuadMix's patches have the size of the world's images
_CAMVID_QUADMIX = {**_STATISTICS, 'data.train.class_patches.scale': CAMVID_SCALE}


def _pair(method: str, title: str) -> list[Row]:
    """A method that adapts from the first iteration, in both worlds."""
    return [
        Row(f'{world}_{method}', title, f'configs/{method}/{path}', world, 'uda', ONE, f'{world}_source_only')
        for world, path in (('camvid', CAMVID), ('toy', TOY))
    ]


def _self_training() -> list[Row]:
    """Self-training in both worlds; in the toy world, as in its small configs, a fifth of the run is on labels alone.

    The names tell from :func:`_why`'s rows of the toy world that begin at once, as published.
    """
    rows = []
    for method, title, seeds, baseline, camvid in (
        ('dacs', 'DACS', THREE, 'source_only', {}),
        ('daformer', 'DAFormer', TWO, 'dacs', {}),
        ('mic', 'MIC', TWO, 'daformer', {}),  # the small configs mask on DAFormer's training, as published
        ('quadmix', 'QuadMix', TWO, 'mic', _CAMVID_QUADMIX),
    ):
        path = f'configs/{method}/'
        on = f'camvid_{baseline}'
        rows.append(Row(f'camvid_{method}', title, path + CAMVID, 'camvid', 'uda', TWO, on, camvid))
        on = f'toy_{baseline}' + LABELS_FIRST * (baseline != 'source_only')
        options = {**_STATISTICS, 'uda.source_iters': 300}
        rows.append(Row(f'toy_{method}{LABELS_FIRST}', title, path + TOY, 'toy', 'uda', seeds, on, options))
    return rows


def _supervised() -> list[Row]:
    """Source-only and the oracle in both worlds."""
    small = 'segformer_efficientnet_lite0.py'
    return [
        Row('camvid_source_only', 'source-only', f'configs/source_only/camvid_day_{small}', 'camvid', seeds=TWO),
        Row('toy_source_only', 'source-only', f'configs/source_only/{TOY}', 'toy', seeds=THREE),
        Row(
            'camvid_oracle',
            'oracle',
            f'configs/source_only/camvid_dusk_oracle_{small}',
            'camvid',
            seeds=TWO,
            baseline='camvid_source_only',
        ),
        Row(
            'toy_oracle',
            'oracle',
            'configs/source_only/toy_cityscapes_oracle.py',
            'toy',
            seeds=THREE,
            baseline='toy_source_only',
        ),
    ]


def _large() -> list[Row]:
    """The toy world drawn at 512x256: whole images in half of that size, and HRDA, which adds details in full size."""
    half = 'configs/daformer/toy_gtaHR_to_toy_cityscapesHR_half.py'
    drawn = {f'data.{part}.data_root': 'data/toy_512x256/cityscapes/' for part in ('val', 'test')}
    images = {**drawn, 'data.train.source.data_root': 'data/toy_512x256/gta/', 'data.val.pipeline.1.img_ratios': [0.5]}
    late = {**_STATISTICS, 'uda.source_iters': 300}
    return [
        Row(
            'toy_large_source_only',
            'source-only, half size',
            f'configs/source_only/{TOY}',
            'toy',
            'large',
            ONE,
            options=images,
            statistics=half,
        ),
        Row(
            'toy_large_daformer',
            'DAFormer, half size',
            half,
            'toy',
            'large',
            ONE,
            'toy_large_source_only',
            late,
            statistics=half,
        ),
        Row(
            'toy_large_hrda',
            'HRDA',
            'configs/hrda/toy_gtaHR_to_toy_cityscapesHR.py',
            'toy',
            'large',
            ONE,
            'toy_large_daformer',
            late,
            statistics='configs/hrda/toy_gtaHR_to_toy_cityscapesHR.py',
        ),
    ]


def _relabelled(kind: str, title: str, begins_with: str = '') -> list[Row]:
    """ESL and its counterpart with confidences: AdvEnt, labels of all images, and the same training with them. Two
    seeds for ESL in the toy world; each of these runs is two trainings.
    """
    return [
        Row(
            f'{world}_{kind}',
            title,
            f'configs/esl/{setting}_{kind}_stages.py',
            world,
            seeds=TWO if f'{world}_{kind}' == 'toy_esl' else ONE,
            baseline=f'{world}_advent',
            stages={'advent': {}, 'retrain': {}},
            begins_with=f'{world}_{begins_with}' if begins_with else '',
            note='two trainings, the first that of ESL' if begins_with else 'two trainings',
        )
        for world, setting in (('toy', 'toy_gta_to_toy_cityscapes'), ('camvid', 'camvid_day_to_dusk'))
    ]


def _several_targets() -> list[Row]:
    """Two and three targets, toy world; statistics of the images of all targets.

    Two seeds where the question is what CoaST gains. Each target adds a batch: those of three targets have two images a
    domain instead of four, source-only as well.
    """
    rows = []
    for number, targets, table, options in (
        (2, 'idd', 'targets', {}),
        (3, 'mapillary_idd', 'three_targets', {'data.samples_per_gpu': 2}),
    ):
        setting = f'toy_gta_to_toy_cityscapes_{targets}'
        statistics = f'configs/mtaf/advent_{setting}.py'  # source-only has no target
        for name, title, baseline in (
            ('source_only', 'source-only', ''),
            ('advent', 'AdvEnt, targets merged', 'source_only'),
            ('mdis', 'MDis', 'advent'),
            ('mtkt', 'MTKT', 'mdis'),
            ('coast', 'CoaST', 'advent'),
        ):
            coast = name == 'coast'
            row = Row(
                f'toy_{number}_{name}',
                title,
                f'configs/coast/{setting}_stages.py' if coast else f'configs/mtaf/{name}_{setting}.py',
                'toy',
                table,
                TWO if f'{number}_{name}' in ('2_source_only', '2_advent', '2_coast') else ONE,
                f'toy_{number}_{baseline}' if baseline else '',
                options,
                stages={'warmup': {}, 'selftraining': {}} if coast else {},
                statistics=statistics,
                note='two trainings' if coast else '',
            )
            rows.append(row)
    named = {row.name: row for row in rows}
    mdis, coast = named['toy_2_mdis'], named['toy_2_coast']
    # a target's maps are judged twice, and there are two of them: as much adversarial loss as AdvEnt's one
    light = dict(options={'uda.lambda_adv': {'decode': 0.00025}}, baseline=mdis.name, seeds=ONE)
    title = 'MDis, a quarter of the adversarial weight'
    rows.append(replace(mdis, name=f'{mdis.name}_light', title=title, **light))
    # the small recipes label the surest half of every class
    every = dict(labels={'fraction': 1.0}, baseline=coast.name, begins_with=coast.name, seeds=ONE)
    rows.append(replace(coast, name=f'{coast.name}_full', title='CoaST, every pixel is labelled', **every))
    return rows


def _few_labels() -> list[Row]:
    """Ten labelled target images, toy world."""
    toy, rows = 'toy_gta_to_toy_cityscapes_10labels', []
    late, at_once = {'uda.source_iters': 300}, {'uda.source_iters': 0}
    full = {**late, 'uda.labeled_target.mask': 1.0}
    for name, title, config, baseline, options in (
        ('target_only', 'target only', f'dstc/{toy}_target_only.py', '', {}),
        ('st', 'S+T', f'dstc/{toy}_st.py', 'toy_10_target_only', {}),
        (f'dacs{LABELS_FIRST}', 'DACS + labels', f'dacs/{toy}.py', 'toy_10_st', late),
        ('dacs', 'DACS + labels, self-training at once', f'dacs/{toy}.py', f'toy_10_dacs{LABELS_FIRST}', at_once),
        (f'daformer{LABELS_FIRST}', 'DAFormer + labels', f'daformer/{toy}.py', f'toy_10_dacs{LABELS_FIRST}', late),
        (f'mic{LABELS_FIRST}', 'MIC + labels', f'mic/{toy}.py', f'toy_10_daformer{LABELS_FIRST}', late),
        ('mic_full', 'MIC + labels, masked ones in full', f'mic/{toy}.py', f'toy_10_mic{LABELS_FIRST}', full),
    ):
        rows.append(Row(f'toy_10_{name}', title, f'configs/{config}', 'toy', 'few_labels', ONE, baseline, options))
    for name, title, length in (
        ('dstc_total', 'DSTC, equal total', (375, 375, 750)),
        ('dstc_last', 'DSTC, every stage as long', (1500, 1500, 1500)),
    ):
        stages = {stage: schedule(n) for stage, n in zip(('source', 'target', 'dstc'), length)}
        config = f'configs/dstc/{toy}_stages.py'
        rows.append(Row(f'toy_10_{name}', title, config, 'toy', 'few_labels', ONE, 'toy_10_st', stages=stages))
    return rows


def _bought() -> list[Row]:
    """Labels bought at two budgets, toy world: pixels of all images, and whole images."""
    rows = []
    purchases = {
        **_STATISTICS,
        'custom_hooks.0.iters': [600, 750, 900, 1050, 1200],  # at the same shares of the training as in 500
    }
    for share in ('2p2pct', '5pct'):
        percent = share.replace('p', '.', 1).replace('pct', ' %') if share == '2p2pct' else '5 %'
        for kind, title, acquisition in (
            ('random', 'random regions', {}),
            ('entropy', 'regions of highest entropy', {'active.acquisition.type': 'RegionUncertainty'}),
            ('ra', 'RIPU', {}),
        ):
            of_config = 'random' if acquisition else kind
            rows.append(
                Row(
                    f'toy_{kind}_{share}',
                    f'{title}, {percent}',
                    f'configs/ripu/toy_gta_to_toy_cityscapes_{of_config}_{share}.py',
                    'toy',
                    'active',
                    ONE,
                    '' if kind == 'random' else f'toy_random_{share}',
                    options={**purchases, **acquisition},
                )
            )
    for name, title, baseline in (
        ('toy_stal_random', 'STAL, random images', ''),
        ('toy_stal', 'STAL, entropy', 'toy_stal_random'),
    ):
        config = f'configs/stal/toy_gta_to_toy_cityscapes{"_random" if name.endswith("random") else ""}.py'
        options = schedule(500)  # three trainings, which together are as long as RIPU's one
        note = '3, 7, 15 images'
        rows.append(Row(name, title, config, 'toy', 'active', ONE, baseline, options, rounds=True, note=note))
    return rows


_RENEW = 'uda.mask_running_statistics'


def _why() -> list[Row]:
    """What a part is worth: methods with it switched off or changed, one at a time.

    "In full": the masked loss has weight 1, as published; the small configs give it 0.1.
    """
    late, full = {**_STATISTICS, 'uda.source_iters': 300}, {**_STATISTICS, 'uda.mask_lambda': 1.0}
    late_full, ratio, size = {**late, **full}, 'uda.mask_generator.mask_ratio', 'uda.mask_generator.mask_block_size'
    changes: list[tuple[str, str, str, str, dict[str, Any]]] = [
        ('dacs', '', 'DACS at once', f'toy_dacs{LABELS_FIRST}', {}),
        ('daformer', '', 'DAFormer at once', f'toy_daformer{LABELS_FIRST}', {}),
        ('mic', '_full', 'MIC in full', f'toy_mic{LABELS_FIRST}', late_full),
        ('quadmix', '_full', 'QuadMix in full', f'toy_quadmix{LABELS_FIRST}', late_full),
        ('mic', '_unmasked', 'MIC in full, nothing masked', 'toy_mic_full', {**late_full, ratio: 0.0}),
        ('mic', '_block8', 'MIC in full, blocks of 8', 'toy_mic_full', {**late_full, size: 8}),
        ('mic', '', 'MIC in full, at once', 'toy_mic_full', full),
        ('mic', '_statistics', 'MIC in full, at once, masks renew statistics', 'toy_mic', {**full, _RENEW: True}),
        ('mic', '_half', 'MIC in full, at once, half masked', 'toy_mic', {**full, ratio: 0.5}),
        ('quadmix', '', 'QuadMix in full, at once', 'toy_quadmix_full', {**full, 'uda.start_iter': 75}),
        ('dacs', '_slow', 'DACS at once, teacher momentum 0.999', 'toy_dacs', {'uda.alpha': 0.999}),
        ('dacs', '_source750', 'DACS, 750 iterations of labels first', 'toy_dacs', {'uda.source_iters': 750}),
    ]
    rows = []
    for method, name, title, baseline, options in changes:
        path, whole = f'configs/{method}/{TOY}', {'uda.source_iters': 0, **options}
        seeds = THREE if f'{method}{name}' == 'dacs' else ONE
        rows.append(Row(f'toy_{method}{name}', title, path, 'toy', 'why', seeds, baseline, whole))
    mode = 'uda.pseudo_labeler.mode'
    kept, image, half = {mode: 'pixel_mask'}, {mode: 'image_ratio'}, 'only the surest half of every class counts'
    for name, title, config, on, options in (
        ('quadmix_without_mic', 'QuadMix without masks', 'quadmix/{}_without_mic', f'daformer{LABELS_FIRST}', late),
        (
            'dacs_esl',
            "DACS, images weighted by ESL's criterion",
            'esl/{}_dacs',
            f'dacs{LABELS_FIRST}',
            {**late, **image},
        ),
        ('dacs_kept', f'DACS, {half}', 'esl/{}_dacs', f'dacs{LABELS_FIRST}', {**late, **kept}),
        ('daformer_kept', f'DAFormer, {half}', 'esl/{}_daformer', f'daformer{LABELS_FIRST}', {**late, **kept}),
        ('mic_kept', f'MIC in full, {half}', 'esl/{}_mic', 'mic_full', {**late_full, **kept}),
    ):
        path = f'configs/{config.format(TOY[:-3])}.py'
        seeds = TWO if name == 'daformer_kept' else ONE  # the best of the rows that seed 0 chose
        rows.append(Row(f'toy_{name}', title, path, 'toy', 'why', seeds, f'toy_{on}', options))
    first = 'iterations of labels first'
    for name, title, config, on, options in (
        ('mic_full', 'MIC in full', f'mic/{CAMVID}', 'mic', full),
        ('quadmix_full', 'QuadMix in full', f'quadmix/{CAMVID}', 'quadmix', {**full, **_CAMVID_QUADMIX}),
        ('dacs_source400', f'DACS, 400 {first}', f'dacs/{CAMVID}', 'dacs', {'uda.source_iters': 400}),
        ('dacs_source1000', f'DACS, 1000 {first}', f'dacs/{CAMVID}', 'dacs', {'uda.source_iters': 1000}),
        ('dacs_kept', f'DACS, {half}', f'esl/{CAMVID.replace("dusk", "dusk_dacs")}', 'dacs', kept),
    ):
        rows.append(Row(f'camvid_{name}', title, f'configs/{config}', 'camvid', 'why', ONE, f'camvid_{on}', options))
    stages = {'source': schedule(750), 'dacs': {**schedule(750), 'uda.source_iters': 0}}
    recipe = 'benchmarks/adaptation_study/dacs_after_source_stages.py'
    title = 'DACS after source-only, half and half'
    rows.append(Row('toy_dacs_after_source', title, recipe, 'toy', 'why', ONE, 'toy_dacs', stages=stages))
    return rows


ROWS: list[Row] = [
    *_supervised(),
    *_self_training(),
    *_large(),
    *_pair('minent', 'MinEnt'),
    *_pair('advent', 'AdvEnt'),
    *_pair('fda', 'FDA'),
    *_relabelled('esl', 'ESL'),
    *_relabelled('ssl', 'SSL with confidences', begins_with='esl'),
    *_several_targets(),
    *_few_labels(),
    *_bought(),
    *_why(),
]


def rows(names: Sequence[str] = ()) -> list[Row]:
    """All rows, or those of ``names``: the row that is called so, or else all whose names contain it."""
    known = {row.name for row in ROWS}
    return [row for row in ROWS if not names or any(row.name == n or (n in row.name and n not in known) for n in names)]

"""Buying regions in the middle of a training run (RIPU)."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Iterator, Mapping, Sequence

from mmcv.runner import HOOKS, Hook

from ..engine.distributed import on_main
from ..engine.inference import inference_mode
from ..engine.signals import Stopped
from .label_set import LabelSet, LabelSetError
from .pictures import write_pictures
from .regions import LoadBoughtLabels
from .scoring import segmentor_predict
from .session import ActiveSession


@HOOKS.register_module()
class ActiveSelectionHook(Hook):
    """Runs a round of the config's ``active`` block after given iterations and shows the new labels to the training
    set.

    A resumed run repeats nothing: rounds that are bought are skipped, and labels that belong to later iterations than
    the checkpoint's stay hidden until the run gets there again, so that the training sees what it saw the first time.

    Args:
        iters: after which iterations the rounds take place, ascending (RIPU: 10000, 12000, 14000, 16000, 18000); 0 =
            before the first.
        pictures: so many purchases of every round are drawn into ``rounds/round_NN/pictures`` of the label set.

    The label set lies in ``active.folder``, or in the folder ``active`` of the run where the config names none.
    """

    session: ActiveSession

    def __init__(self, iters: Sequence[int], pictures: int = 8) -> None:
        self.iters = [int(i) for i in iters]
        self.pictures = pictures
        if self.iters != sorted(set(self.iters)) or not self.iters or self.iters[0] < 0:
            raise ValueError(f'ActiveSelectionHook.iters must ascend, got {self.iters}')

    def configure(self, cfg: Mapping[str, Any]) -> None:
        """Read the config's ``active`` block; called before training."""
        own = None if (cfg.get('active') or {}).get('folder') else str(Path(cfg.get('work_dir') or '.') / 'active')
        self.session = ActiveSession(cfg, own)
        if self.session.acquisition.level != 'region':
            raise ValueError(
                'ActiveSelectionHook buys regions; whole images are bought between runs, by tools/active_loop.py'
            )
        if self.session.rounds != len(self.iters):
            raise ValueError(
                f'active.budget has {self.session.rounds} rounds, ActiveSelectionHook.iters {len(self.iters)}'
            )

    def before_run(self, runner: Any) -> None:
        """Start the label set, and hide what was bought after the iteration that the run goes on from."""
        if runner.world_size == 1:  # several ranks meet in every round: they stop after it
            self.session.stop = lambda: bool(runner.stop)
        on_main(lambda: self._prepare(runner))
        self.session.reload()
        bought = self.session.label_set.finished
        if bought > 0 and runner.iter == 0:
            runner.logger.warning(
                '%s holds %d rounds: this run shows them again from their iterations on and buys nothing for them. '
                'A run that buys for itself needs an active.folder of its own',
                self.session.label_set.folder,
                bought,
            )
        due = [number for number, i in enumerate(self.iters, start=1) if i <= runner.iter]
        self._show(runner, len(due), runner.iter)
        for (
            number
        ) in due:  # all but the last are bought, unless the run was killed between a checkpoint and the purchase
            self._select(runner, number, runner.iter)

    def _prepare(self, runner: Any) -> None:
        """Start the label set, or bring along what the checkpoint was trained with.

        Raises:
            LabelSetError: purchases of the checkpoint are missing: buying them again would give other labels.
        """
        passed = sum(i < runner.iter for i in self.iters)
        label_set = self.session.label_set
        if max(label_set.finished, 0) < passed:
            old = None if runner.resumed_from is None else runner.resumed_from.resolve().parent / 'active'
            if label_set.finished > 0 or old is None or not LabelSet.lies_in(old):
                raise LabelSetError(
                    f'the checkpoint was trained with {passed} rounds of bought labels, {label_set.folder} holds '
                    f'{max(label_set.finished, 0)}: resume in the folder of that run, or copy its label set there'
                    + ('' if old is None else f' (from {old})')
                )
            runner.logger.info('taking over the bought labels from %s', old)
            label_set.take_over(old)
            self.session.reload()
            if self.session.label_set.finished < passed:
                raise LabelSetError(f'{old} holds {self.session.label_set.finished} of the {passed} rounds needed')
        self.session.start()

    def after_train_iter(self, runner: Any) -> None:
        """Run the round that is due."""
        completed = runner.iter + 1
        if completed in self.iters:
            self._select(runner, self.iters.index(completed) + 1, completed)

    def _select(self, runner: Any, round_number: int, iteration: int) -> None:
        device = runner.step.device
        if round_number > self.session.label_set.finished:
            network = f'seed {(runner.meta or {}).get("seed")}, iteration {iteration}'
            try:
                with inference_mode(runner.model, device):
                    self.session.select(round_number, segmentor_predict(runner.model), device, network=network)
            except Stopped:  # the checkpoint of this iteration is written; a resumed run goes on with the round
                runner.stop_now()
                return
            if runner.rank == 0:
                write_pictures(self.session.pool, self.session.label_set, round_number, self.pictures)
            status = self.session.label_set.status()
            share = 100 * status.get('pixel_share', 0)
            runner.logger.info(
                'active round %d bought, %d pixels in all (%.2f %%)', round_number, status['pixels'], share
            )
        self._show(runner, sum(i <= iteration for i in self.iters), iteration)

    def _show(self, runner: Any, rounds: int, iteration: int) -> None:
        """Make ``rounds`` rounds visible and drop batches that were loaded before."""
        for transform in bought_label_transforms(runner.data_loader.dataset):
            transform.folder = str(self.session.label_set.folder)
            transform.visible.fill_(rounds)
        runner.data_loader.restart(iteration * runner.step.options.cumulative_iters)


def bought_label_transforms(dataset: Any) -> Iterator[LoadBoughtLabels]:
    """The :class:`LoadBoughtLabels` steps of all streams of a training set."""
    for stream in dataset.streams.values():
        for part in stream.parts:
            yield from (step for step in part.pipeline.transforms if isinstance(step, LoadBoughtLabels))

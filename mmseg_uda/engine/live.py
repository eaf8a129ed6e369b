"""What a terminal shows while a run trains: one line that is drawn anew, and an estimate of the time it takes."""

from __future__ import annotations

from collections import deque
from datetime import datetime, timedelta
from statistics import median
from typing import Any, Optional

import torch
from mmcv.runner import Hook
from tqdm import tqdm

from .step import batch_size_of
from .terminal import live_stream, show, terminal_of

#: iterations before the clock is trusted (caches, the first batches of the workers), and those it then measures
_WARM_UP, _MEASURED = 3, 20
#: seconds between two drawings of the line
REDRAW = 0.5
_FORMAT = '{percentage:3.0f}% {bar:16} {n_fmt}/{total_fmt}  {elapsed} < {remaining}{postfix}'


class LiveHook(Hook):
    """Draws the progress line on a terminal; elsewhere mmcv's log lines stand for it.

    The line shows the iteration, the time passed and left, the newest total loss (as of the last log interval: the
    device is not waited for), images per second of one stream over all processes, the share of time spent waiting for
    data, and memory (GPU: peak of what torch allocated; CPU: peak of this process). Comes before the
    evaluation, which clears what was logged.
    """

    def __init__(self) -> None:
        self._line: Optional[tqdm] = None
        self._loss: Optional[float] = None
        #: (time, time until the data were there) of the newest iterations; medians, because some hold an evaluation
        self._paces: deque[tuple[float, float]] = deque(maxlen=_MEASURED)
        self._done = 0

    def before_run(self, runner: Any) -> None:
        handler, stream = terminal_of(runner.logger), live_stream(runner.logger)
        if handler is not None:
            handler.started = True
        if stream is None or runner.rank != 0:
            return
        assert handler is not None
        handler.live = True
        self._line = tqdm(
            total=runner.max_iters,
            initial=runner.iter,
            bar_format=_FORMAT,
            file=stream,
            dynamic_ncols=True,
            mininterval=REDRAW,
            leave=False,
        )

    def after_train_iter(self, runner: Any) -> None:
        if runner.rank != 0:
            return
        self._measure(runner)
        if self._done == _WARM_UP + _MEASURED:
            self._estimate(runner)
        if self._line is not None:
            self._line.set_postfix_str(self._figures(runner), refresh=False)
            self._line.update(runner.iter + 1 - self._line.n)

    def after_run(self, runner: Any) -> None:
        self._close()

    def close(self) -> None:
        """Take the line off the terminal: the run has ended, whatever the way."""
        self._close()

    def _close(self) -> None:
        if self._line is not None:
            self._line.close()
            self._line = None

    def _measure(self, runner: Any) -> None:
        history = runner.log_buffer.val_history
        if history.get('loss'):
            self._loss = history['loss'][-1]
        self._done += 1
        if self._done > _WARM_UP and history.get('time'):
            self._paces.append((history['time'][-1], history['data_time'][-1]))

    def _estimate(self, runner: Any) -> None:
        """Say once how long the run will take."""
        left = runner.max_iters - runner.iter - 1
        if not self._paces or not left:
            return
        pace = median(total for total, _ in self._paces)
        rest = timedelta(seconds=round(pace * left))
        end = (datetime.now() + rest).strftime('%a %H:%M')
        show(
            runner.logger,
            f'{"time":<12s}{pace:.2f} s per iteration: {rest} for the other {left} iterations, until {end}, without '
            'evaluations',
        )

    def _figures(self, runner: Any) -> str:
        texts = [] if self._loss is None else [f'loss {self._loss:.3f}']
        pace, waited = (median(values) for values in zip(*self._paces)) if self._paces else (0.0, 0.0)
        if pace > 0:
            batch = batch_size_of(runner.data_batch) * runner.world_size * runner.step.options.cumulative_iters
            texts += [f'{batch / pace:.1f} img/s', f'data wait {100 * waited / pace:.0f}%']
        memory = _peak_memory(runner.step.device)
        if memory:
            texts.append(f'{memory / 2**30:.1f} GiB')
        return '  '.join(texts)


def _peak_memory(device: torch.device) -> int:
    """Bytes; 0 where it is not known."""
    if device.type == 'cuda':
        return torch.cuda.max_memory_allocated(device)
    try:
        import resource
        import sys
    except ImportError:  # Windows
        return 0
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == 'darwin' else 1024 * peak

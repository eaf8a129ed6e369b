"""Training, evaluation and applications: three rooms in one folder, told apart by the names of the files.

* Training, entered at :mod:`.train`: ``runner`` runs iterations of ``step`` (with ``step_options``, ``finite``,
  ``undo``, ``records``) on ``data`` (``workers``, ``inputs``), placed by ``placing``, with ``optimizers``,
  ``repeated_sgd``, ``layer_decay``, ``lr_policies`` and ``hooks``; ``start_screen``, ``live``, ``terminal`` and
  ``views_hook`` show it; ``environment``, ``signals`` and ``distributed`` begin and end processes.
* Evaluation, entered at :mod:`.test`: ``evaluation*``, ``inference``, ``predictions``, ``predict``.
* Applications on top of both: ``pseudo_label_*``, recipes of several ``stages``, ``report*``, ``browse``, ``demo``,
  ``convert_checkpoint``.
"""

"""Training and evaluation: backward policy, optimisers, distribution, checkpoints, hooks and entry points."""

"""Annotation budgets, oracles and round bookkeeping for active adaptation."""

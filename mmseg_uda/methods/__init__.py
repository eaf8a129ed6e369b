"""Adaptation methods, each a composition of components."""

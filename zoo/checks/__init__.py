"""Checks that take minutes, run by hand: ``python -m zoo.checks.NAME``."""

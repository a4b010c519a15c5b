"""Checks that take minutes, run by hand: ``python -m tests.kills.NAME``."""

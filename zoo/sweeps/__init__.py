"""Sweeps of a program: its hyperparameters, its command."""

"""Tests of the C++ kernel: its C interface, and its call from each framework."""

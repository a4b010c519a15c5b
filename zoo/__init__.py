"""Programs that train `keras_gru` on real data: ``python -m zoo --help``.

`zoo.load` gives a trained one to Python.
"""

from zoo.loaded import load as load

__all__ = ["load"]

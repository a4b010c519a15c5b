"""Programs that train `keras_gru` on real data: ``python -m zoo --help``."""

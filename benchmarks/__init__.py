"""How fast `keras_gru.GRU` is beside its peers: `python -m benchmarks run`."""

"""Is `keras_gru.GRU` a drop-in? The uses of `keras.layers.GRU`, each tried on both.

A use is a function of `layers`, which is `keras.layers`, once as it is and once with
our GRU and GRUCell in the place of Keras' own; it returns what a user would look at.
The modules of this package are lists of uses; `judge.py` runs them; `table.py` writes
`docs/drop_in.md`. `tests/test_drop_in.py` is the test, and `python -m tests.drop_in`
writes the table anew.
"""

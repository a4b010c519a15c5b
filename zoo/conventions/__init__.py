"""The conventions of the GRU, the LSTM and the simple RNN at one parameter count.

``python -m zoo.conventions run`` trains each of them on the same text, with the same
steps and seeds; ``python -m zoo.conventions report`` makes a table and a picture.
"""

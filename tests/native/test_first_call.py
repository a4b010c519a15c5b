"""The first call of a process, from several threads at once."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from keras_gru.native import library

PROGRAM = """
import threading
import keras
import numpy as np
import keras_gru

layers = [keras_gru.GRU(3, return_sequences=True) for _ in range(8)]
x = np.ones((2, 5, 4), "float32")
for layer in layers:
    layer.build(x.shape)
start = threading.Barrier(len(layers))
failures = []


def call(layer):
    start.wait()
    try:
        layer(keras.ops.convert_to_tensor(x))
    except Exception as failure:
        failures.append(failure)


threads = [threading.Thread(target=call, args=(layer,)) for layer in layers]
[thread.start() for thread in threads]
[thread.join() for thread in threads]
if failures:
    raise failures[0]
print(layers[0].explain(x.shape).kernel)
"""


def test_the_first_call_may_come_from_several_threads() -> None:
    if (reason := library.missing()) is not None:
        pytest.skip(reason)
    for _ in range(2):
        done = subprocess.run(
            [sys.executable, "-c", PROGRAM],
            env={**os.environ, "TF_CPP_MIN_LOG_LEVEL": "3"},
            capture_output=True,
            text=True,
            timeout=300,
        )
        assert done.returncode == 0, done.stderr[-800:]

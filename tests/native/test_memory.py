"""Memory of the compiled GRU: what is kept, what is told where there is none."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from keras_gru.native import library
from tests.native.arrays import Layer, draw, needs_library

pytestmark = [pytest.mark.once, needs_library]

MIB = 1 << 20


def test_what_is_kept_is_bounded_and_given_back() -> None:
    library.free_memory()
    assert library.free_memory() == 0
    for units in (64, 256, 512, 1024, 1536, 2048):
        Layer("float32").forward(draw((2, 2, 8, units)))
    assert 0 < library.free_memory() <= 256 * MIB
    assert library.free_memory() == 0


# All of the address space is taken but a little, and a little more each time, until
# what is not to be had is the kernel's own memory. (JAX keeps too much for that.)
TRY = """
import resource
def attempt(call):
    for mib in range(16, 1024, 16):
        library.free_memory()
        used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
        limit = used + mib * 2**20
        resource.setrlimit(resource.RLIMIT_AS, (limit, resource.RLIM_INFINITY))
        try:
            call()
        except Exception as error:
            if "a smaller batch or fewer time steps" in str(error):
                return f"{type(error).__name__} {error}"
"""
ALONE = """
from keras_gru.native import library
from tests.native.arrays import Layer, draw
layer, numbers = Layer("float32"), draw((16384, 1, 4, 1024))
print(attempt(lambda: layer.forward(numbers)))
"""
LAYER = """
import numpy as np
import keras_gru
from keras_gru.native import library
layer = keras_gru.GRU(1024, kernel="native_cpu")
x = np.zeros((16384, 1, 4), "float32")
layer(x)
print(attempt(lambda: layer(x)))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs /proc and RLIMIT_AS")
@pytest.mark.parametrize(
    ("script", "kind"), [(ALONE, "MemoryError"), (LAYER, "ResourceExhaustedError")]
)
def test_a_lack_of_memory_is_called_so(script: str, kind: str) -> None:
    backend = "tensorflow"
    pytest.importorskip(backend)
    done = subprocess.run(
        [sys.executable, "-c", TRY + script],
        env={**os.environ, "KERAS_BACKEND": backend, "OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    assert done.stdout.startswith(kind)
    assert "out of memory" in done.stdout

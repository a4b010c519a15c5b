"""Choose the Keras backend before Keras is imported."""

from __future__ import annotations

import importlib.util
import os
import sys
import tempfile

from zoo.errors import ZooError

BACKENDS = ("tensorflow", "jax", "torch")
DEFAULT_BACKEND = "tensorflow"


def chosen(backend: str | None = None) -> str:
    """Name the backend that is to run: the argument, `KERAS_BACKEND`, TensorFlow."""
    name = backend or os.environ.get("KERAS_BACKEND") or DEFAULT_BACKEND
    if name not in BACKENDS:
        source = "--backend" if backend else "KERAS_BACKEND"
        raise ZooError(
            f"{source}: unknown backend {name!r}; expected one of {', '.join(BACKENDS)}"
        )
    return name


def use(backend: str) -> None:
    """Let Keras run on `backend`. Must come before the first import of keras."""
    if "keras" in sys.modules:
        running = sys.modules["keras"].backend.backend()
        if running != backend:
            raise ZooError(
                f"backend {backend!r} was asked for after keras was imported "
                f"with {running!r}: start a new process"
            )
    elif importlib.util.find_spec(backend) is None:
        raise ZooError(
            f"backend {backend!r} is not installed: pip install {backend}, "
            f"or choose another with --backend"
        )
    os.environ["KERAS_BACKEND"] = backend
    # cuBLAS sums in a fixed order only with a workspace of fixed size.
    os.environ.setdefault("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    level = os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if "keras" not in sys.modules and level not in ("0", "1"):
        _start_quietly()


def _start_quietly() -> None:
    """Import Keras and find the devices, less TensorFlow's notes on stderr.

    They come from C++, before its log level counts, on every backend where TensorFlow
    is installed, and would drown the one line of an error. Who sets
    TF_CPP_MIN_LOG_LEVEL to 0 or 1 sees them.
    """
    sys.stderr.flush()
    stderr = os.dup(2)
    with tempfile.TemporaryFile() as notes:
        os.dup2(notes.fileno(), 2)
        try:
            import keras

            keras.ops.zeros(())
        except BaseException:
            notes.seek(0)
            os.write(stderr, notes.read())
            raise
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)

"""Chooses the backend before Keras is imported, and starts every test alike."""

from __future__ import annotations

import os
import tempfile

os.environ.setdefault("KERAS_BACKEND", "tensorflow")
os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")

# The tests compile thousands of programs and run each once or twice: what JAX' compiler
# spends on making one fast is lost. Processes that tests start compile alike, for a
# training that goes on in another process must end with the same bits.
os.environ["JAX_DISABLE_MOST_OPTIMIZATIONS"] = "1"

if os.environ["KERAS_BACKEND"] == "torch":
    import torch

    if torch.cuda.is_available():
        torch.backends.cudnn.allow_tf32 = False  # cuDNN's default; a tolerance is not
    else:
        # Triton reads it when it is imported, and Keras imports it: its programs run
        # without a GPU.
        os.environ["TRITON_INTERPRET"] = "1"

import keras
import pytest
from hypothesis import settings

if keras.backend.backend() == "jax":
    import jax

    # Cases differ in their numbers more than in their programs: most compiled ones
    # are met again in the same run.
    _compiled = tempfile.TemporaryDirectory(prefix="keras_gru_jax_")
    jax.config.update("jax_compilation_cache_dir", _compiled.name)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    jax.config.update("jax_persistent_cache_min_entry_size_bytes", -1)
    jax.config.update("jax_default_matmul_precision", "highest")  # TF32 on a GPU else

settings.register_profile(
    "keras_gru",
    deadline=None,  # the first run of a shape compiles
    derandomize=True,  # the same examples in every run
    database=None,
    print_blob=False,
)
settings.load_profile("keras_gru")


@pytest.fixture(autouse=True, scope="module")
def _forget_programs():
    """JAX maps each program that it compiles into memory, and a process may map 65,530.

    What a later file needs again is on the disk.
    """
    yield
    if keras.backend.backend() == "jax":
        jax.clear_caches()


@pytest.fixture(autouse=True)
def _fresh_keras():
    """Fixes the seed, forgets the names of layers, restores the dtype policy."""
    policy = keras.config.dtype_policy()
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    yield
    keras.config.set_dtype_policy(policy)


ONCE_ON = "tensorflow"  # the one backend that is always installed


def pytest_configure(config):
    """Warnings are errors, but for those that Keras causes on its own."""
    config.addinivalue_line(
        "markers", f"once: no backend has a part in it; it runs on {ONCE_ON} only"
    )
    # Keras on torch calls np.array(tensor); torch's __array__ has no `copy` yet.
    config.addinivalue_line(
        "filterwarnings",
        "ignore:__array__ implementation doesn't accept a copy:DeprecationWarning",
    )


def pytest_collection_modifyitems(config, items):
    """Leaves what is the same on every backend to one of them."""
    if keras.backend.backend() == ONCE_ON:
        return
    kept, once = [], []
    for item in items:
        (once if item.get_closest_marker("once") else kept).append(item)
    items[:] = kept
    config.hook.pytest_deselected(items=once)


def pytest_report_header():
    return f"keras {keras.__version__} on {keras.backend.backend()}"

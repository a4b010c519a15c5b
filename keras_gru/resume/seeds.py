"""Seeds that make a training repeatable."""

from __future__ import annotations

import random

import keras
import numpy as np


def seed_everything(seed: int) -> None:
    """Seed every generator and ask the backend for the same bits at each run.

    `keras.utils.set_random_seed` would import TensorFlow on every backend, seconds of
    start-up, and leaves operations that add in any order. Keras itself draws its
    default seeds from Python's generator.
    """
    random.seed(seed)
    np.random.seed(seed)
    backend = keras.backend.backend()
    # JAX keeps no generator, and its programs for a CPU add in a fixed order.
    if backend == "tensorflow":
        import tensorflow as tf

        tf.random.set_seed(seed)
        tf.config.experimental.enable_op_determinism()
    elif backend == "torch":
        import torch

        torch.manual_seed(seed)
        torch.use_deterministic_algorithms(True)

"""See inside a GRU: its gates, and how far gradients reach through it.

    python examples/see_inside.py

Trains a GRU to recall a number after a pause, and writes the pictures gates.png and
gradient_flow.png; before.png is that of the untrained layer.
"""

import keras
import numpy as np

import keras_gru

TIME = 20
keras.utils.set_random_seed(1)
rng = np.random.default_rng(1)
x = np.zeros((2048, TIME, 2), "float32")  # a number and whether to remember it
x[..., 0] = rng.uniform(-1, 1, x.shape[:2])
moment = rng.integers(0, TIME // 2, len(x))
x[np.arange(len(x)), moment, 1] = 1.0
y = x[np.arange(len(x)), moment, :1]

model = keras.Sequential(
    [keras.Input((None, 2)), keras_gru.GRU(12), keras.layers.Dense(1)]
)
few = x[:8]
keras_gru.analysis.gradient_flow(model, few).plot().savefig("before.png")
model.compile(keras.optimizers.Adam(0.02), "mse")
model.fit(x, y, epochs=30, batch_size=64, verbose=2)

flow = keras_gru.analysis.gradient_flow(model, few)
flow.plot().savefig("gradient_flow.png")
print("of a gradient at the last step, the first one gets", flow.cumulative_norms[:, 0])
gates = keras_gru.analysis.gates(model, few)
gates.plot().savefig("gates.png")
print("shares of saturated gates:", gates.saturated)
print("steps that each unit remembers:", np.sort(gates.memory).round(1))

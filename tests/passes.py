"""One pass of a layer, with all its gradients, on whichever backend Keras runs.

`check` is the comparison everything rests on: it builds a layer for a case, runs it
forward and backward and holds outputs, final state and every gradient against the
oracle.
"""

from __future__ import annotations

import contextlib
import dataclasses
from dataclasses import dataclass

import keras
import numpy as np

import keras_gru
from keras_gru import kernels
from keras_gru.kernels import native_cpu
from tests.cases import Case, Numbers, judge, numbers
from tests.tolerances import assert_close

BACKEND = keras.backend.backend()
WEIGHTS = ("kernel", "recurrent_kernel", "bias")


@dataclass
class Pass:
    """What a layer returned, as NumPy arrays."""

    outputs: np.ndarray
    final_state: np.ndarray
    gradients: dict  # "x", "h0" and the weights' names -> array


@contextlib.contextmanager
def float64_allowed(dtype="float64"):
    """JAX keeps float64 only where it is told to; the setting is put back."""
    if BACKEND != "jax" or dtype != "float64":
        yield
        return
    import jax

    before = jax.config.jax_enable_x64
    jax.config.update("jax_enable_x64", True)
    try:
        yield
    finally:
        jax.config.update("jax_enable_x64", before)


@dataclass
class Spy:
    """What the kernels were given, one entry a call."""

    names: list
    calls: list  # SequenceCall
    tensors: list  # SequenceTensors


@contextlib.contextmanager
def spy_on_kernels():
    """Records every kernel that runs, with the call and the tensors it got."""
    seen = Spy([], [], [])
    originals = {kernel: kernel.run for kernel in kernels.KERNELS}

    def watched(kernel):
        def run(call, tensors):
            seen.names.append(kernels.name_of(kernel))
            seen.calls.append(call)
            seen.tensors.append(tensors)
            return originals[kernel](call, tensors)

        return run

    run_both = native_cpu.run_both

    def both(calls, tensors):
        seen.names += ["native_cpu, both"] * 2
        seen.calls += calls
        seen.tensors += tensors
        return run_both(calls, tensors)

    try:
        for kernel in originals:
            kernel.run = watched(kernel)
        native_cpu.run_both = both
        yield seen
    finally:
        native_cpu.run_both = run_both
        for kernel, run in originals.items():
            kernel.run = run


def build_layer(case: Case, weights, dtype="float32", kernel="auto", **options):
    """A layer for the case with these weights, which returns its final state too."""
    batch, timesteps, features, units = case.shape
    layer = keras_gru.GRU(
        units,
        return_state=True,
        dtype=dtype,
        kernel=kernel,
        seed=3,
        **{**case.options, **options},
    )
    layer.build((batch, timesteps, features))
    set_weights(layer, weights)
    return layer


def set_weights(layer, weights):
    """Assigns kernel, recurrent kernel and bias, and nothing else."""
    for variable, value in zip(layer.trainable_variables, weights, strict=True):
        variable.assign(value)


def kernel_refuses(name, case: Case, dtype, resets=False) -> bool:
    """Whether the kernel says that it cannot run this case in this dtype."""
    layer = build_layer(case, numbers(case).weights)
    call = layer._describe(case.shape[:3], case.mask != "none", case.training, resets)
    (kernel,) = (k for k in kernels.KERNELS if kernels.name_of(k) == name)
    call = dataclasses.replace(call, dtype=dtype, kernel=name)
    return kernel.refusal(call) is not None


def run_layer(layer, given: Numbers, training=False) -> Pass:
    """Runs the layer and takes the gradients of x, h0 and every weight.

    Of a `both.Both`, the weights of the layer that goes back are named "back …".
    """
    dtype = layer.compute_dtype
    x, h0, d_outputs, d_state = (
        np.asarray(a, dtype)
        for a in (given.x, given.h0, given.d_outputs, given.d_state)
    )
    more = {} if given.resets is None else {"resets": given.resets}
    differentiate = {"tensorflow": _tensorflow, "jax": _jax, "torch": _torch}[BACKEND]
    outputs, state, gradients = differentiate(
        layer, x, h0, given.mask, training, d_outputs, d_state, **more
    )
    names = ["x", "h0"]
    for variable in layer.trainable_variables:
        name = variable.path.rpartition("/")[2]
        names.append(f"back {name}" if name in names else name)
    by_name = {n: to_numpy(g) for n, g in zip(names, gradients, strict=True)}
    if getattr(layer, "learn_initial_state", False):
        assert not by_name.pop("h0").any()  # it was not given
    return Pass(to_numpy(outputs), to_numpy(state), by_name)


def _start(layer, h0):
    """The initial state for the call; None where the layer is to take its own."""
    return None if getattr(layer, "learn_initial_state", False) else h0


def to_numpy(tensor):
    return np.asarray(keras.ops.convert_to_numpy(tensor))


def _tensorflow(layer, x, h0, mask, training, d_outputs, d_state, **more):
    import tensorflow as tf

    x, h0 = tf.constant(x), tf.constant(h0)
    with tf.GradientTape() as tape:
        tape.watch([x, h0])
        outputs, state = layer(
            x, initial_state=_start(layer, h0), mask=mask, training=training, **more
        )
        loss = tf.reduce_sum(outputs * d_outputs) + tf.reduce_sum(state * d_state)
    weights = [variable.value for variable in layer.trainable_variables]
    gradients = tape.gradient(
        loss, [x, h0, *weights], unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return outputs, state, gradients


def _jax(layer, x, h0, mask, training, d_outputs, d_state, **more):
    import jax
    import jax.numpy as jnp

    frozen = [variable.value for variable in layer.non_trainable_variables]

    def loss(x, h0, weights):
        (outputs, state), updated = layer.stateless_call(
            weights,
            frozen,
            x,
            initial_state=_start(layer, h0),
            mask=mask,
            training=training,
            **more,
        )
        value = jnp.sum(outputs * d_outputs) + jnp.sum(state * d_state)
        return value, (outputs, state, updated)

    weights = [variable.value for variable in layer.trainable_variables]
    gradient = jax.value_and_grad(loss, argnums=(0, 1, 2), has_aux=True)
    (_, (outputs, state, updated)), (d_x, d_h0, d_weights) = gradient(
        jnp.asarray(x), jnp.asarray(h0), weights
    )
    for variable, value in zip(layer.non_trainable_variables, updated, strict=True):
        variable.assign(value)
    return outputs, state, [d_x, d_h0, *d_weights]


def _torch(layer, x, h0, mask, training, d_outputs, d_state, **more):
    import torch

    device = layer.trainable_variables[0].value.device
    dtype = getattr(torch, layer.compute_dtype)
    x, h0, d_outputs, d_state = (
        # By way of float64: torch knows no array of bfloat16.
        torch.tensor(a.astype("float64"), device=device).to(dtype)
        for a in (x, h0, d_outputs, d_state)
    )
    x.requires_grad_(), h0.requires_grad_()
    if mask is not None:
        mask = torch.tensor(mask, device=device)
    more = {name: torch.tensor(value, device=device) for name, value in more.items()}
    outputs, state = layer(
        x, initial_state=_start(layer, h0), mask=mask, training=training, **more
    )
    loss = (outputs * d_outputs).sum() + (state * d_state).sum()
    weights = [variable.value for variable in layer.trainable_variables]
    gradients = torch.autograd.grad(
        loss, [x, h0, *weights], allow_unused=True, materialize_grads=True
    )
    return outputs, state, gradients


def check(case: Case, dtype="float64", seed=0, given=None, **options):
    """Holds one layer against the oracle: outputs, final state, every gradient.

    Args:
        case: what to build.
        dtype: "float64" or "float32", also the row of the tolerance table.
        seed: for the random numbers.
        given: the numbers, if they are not to be drawn from `seed`.
        options: more arguments for the layer, `kernel` for one.

    Raises:
        AssertionError: they differ by more than the tolerance.
    """
    given = numbers(case, seed) if given is None else given
    with float64_allowed(dtype):
        layer = build_layer(case, given.weights, dtype, **options)
        with spy_on_kernels() as seen:
            ran = run_layer(layer, given, training=case.training)
        assert len(seen.calls) == 1, f"{len(seen.calls)} kernels ran"
        tensors = seen.tensors[0]
        masks = [
            [to_numpy(m) for m in given_masks] or None
            for given_masks in (tensors.dropout_masks, tensors.recurrent_dropout_masks)
        ]
        zoneout = tensors.zoneout_mask
        masks.append(None if zoneout is None else to_numpy(zoneout))
    if case.training:
        _check_dropout_masks(case, *masks[:2])
        assert (zoneout is not None) == (case.maths["zoneout"] > 0)
    outputs, state, gradients = judge(case, given, *masks)
    assert ran.outputs.dtype == ran.final_state.dtype == dtype
    assert_close(ran.outputs, outputs, dtype, "outputs")
    assert_close(ran.final_state, state, dtype, "final state")
    assert set(ran.gradients) == set(gradients)
    for name, gradient in gradients.items():
        assert_close(ran.gradients[name], gradient, dtype, f"gradient of {name}")


def _check_dropout_masks(case, dropout_masks, recurrent_dropout_masks):
    """The oracle believes the masks, so they must at least be what was asked for."""
    maths = case.maths
    # Recurrent dropout needs the gates apart, which is what implementation 1 means.
    separate = maths["implementation"] == 1 or maths["recurrent_dropout"]
    for masks, rate, count in (
        (dropout_masks, maths["dropout"], 3 if separate else 1),
        (recurrent_dropout_masks, maths["recurrent_dropout"], 3),
    ):
        assert len(masks or []) == (count if rate else 0)
        for mask in masks or []:
            kept = np.isclose(mask, 1 / (1 - rate), rtol=1e-6)
            assert np.all(kept | (mask == 0))

"""Derivatives beyond the first in reverse mode: second ones, forward mode, transforms.

Second derivatives and forward mode are held against central differences of the oracle;
the transforms of each framework against the same of the plain loop.
"""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest

import keras_gru
from keras_gru import kernels
from tests import oracle
from tests.cases import Case, make_weights, numbers
from tests.contract import HERE_WITH_CONVENTIONS
from tests.passes import BACKEND, build_layer, float64_allowed, to_numpy
from tests.tolerances import assert_close

# What torch's forward mode is made of, when it is first used.
pytestmark = pytest.mark.filterwarnings(
    "ignore:`torch.jit.script` is deprecated:DeprecationWarning"
)

STEP = 1e-5
OWN_GRADIENT = [
    key for key in HERE_WITH_CONVENTIONS if key[0] not in ("portable", "torch_triton")
]
NAMES = ("x", "h0", "kernel", "recurrent_kernel", "bias")


@pytest.fixture(autouse=True)
def _float64():
    with float64_allowed():
        yield


def _oracle(case, given, arrays):
    x, h0, *weights = arrays
    maths = case.maths
    names = ("reset_after", "update_gate", "go_backwards", "return_sequences")
    options = {name: maths[name] for name in names}
    ran = oracle.forward(x, h0, *weights, mask=given.mask, **options)
    # The gradient of sin: what comes down depends on the outputs too.
    gradients = oracle.backward(
        ran, np.cos(ran.outputs) * given.d_outputs, given.d_state
    )
    return [ran.outputs, ran.final_state, *(gradients[name] for name in NAMES)]


def _directional(case, given, arrays, directions):
    """The oracle's outputs and gradients, differentiated along `directions`."""
    ahead, behind = (
        _oracle(
            case,
            given,
            [a + sign * STEP * d for a, d in zip(arrays, directions, strict=True)],
        )
        for sign in (1, -1)
    )
    return [(a - b) / (2 * STEP) for a, b in zip(ahead, behind, strict=True)]


def _function(layer, given):
    """(x, h0, weights) -> outputs and final state, of the framework's tensors."""
    frozen = [variable.value for variable in layer.non_trainable_variables]
    mask = None if given.mask is None else keras.ops.convert_to_tensor(given.mask)

    def run(x, h0, *weights):
        results, _ = layer.stateless_call(
            list(weights), frozen, x, initial_state=h0, mask=mask, training=True
        )
        return results

    return run


def _value(given, outputs, state):
    d_outputs, d_state = map(
        keras.ops.convert_to_tensor, (given.d_outputs, given.d_state)
    )
    loss = keras.ops.sum(keras.ops.sin(outputs) * d_outputs)
    return loss + keras.ops.sum(state * d_state)


def _along_jax(run, given, arrays, directions):
    import jax

    def loss(*arrays):
        return _value(given, *run(*arrays))

    def along(*arrays):
        gradients = jax.grad(loss, range(len(arrays)))(*arrays)
        return sum((g * d).sum() for g, d in zip(gradients, directions, strict=True))

    _, moved = jax.jvp(run, tuple(arrays), tuple(directions))
    return [*moved, *jax.jit(jax.grad(along, range(len(arrays))))(*arrays)]


def _along_torch(run, given, arrays, directions):
    import torch

    arrays = [torch.tensor(a, requires_grad=True) for a in arrays]
    directions = [torch.tensor(d) for d in directions]
    loss = _value(given, *run(*arrays))
    gradients = torch.autograd.grad(loss, arrays, create_graph=True)
    along = sum((g * d).sum() for g, d in zip(gradients, directions, strict=True))
    plain = tuple(a.detach() for a in arrays)
    _, moved = torch.func.jvp(run, plain, tuple(directions))
    return [*moved, *torch.autograd.grad(along, arrays)]


def _along_tensorflow(run, given, arrays, directions):
    import tensorflow as tf

    arrays, directions = map(tf.constant, arrays), map(tf.constant, directions)
    arrays, directions = list(arrays), list(directions)
    with tf.autodiff.ForwardAccumulator(arrays, directions) as forward:
        results = run(*arrays)
    moved = [forward.jvp(result) for result in results]

    def second():
        with tf.GradientTape() as outer:
            outer.watch(arrays)
            with tf.GradientTape() as inner:
                inner.watch(arrays)
                loss = _value(given, *run(*arrays))
            gradients = inner.gradient(loss, arrays)
            along = tf.add_n(
                [
                    tf.reduce_sum(g * d)
                    for g, d in zip(gradients, directions, strict=True)
                ]
            )
        return outer.gradient(along, arrays)

    return [*moved, *tf.function(second)()]


ALONG = {
    "jax": _along_jax,
    "torch": _along_torch,
    "tensorflow": _along_tensorflow,
}[BACKEND]


def _check(case, kernel):
    given = numbers(case)
    layer = build_layer(case, given.weights, "float64", kernel=kernel)
    arrays = [given.x, given.h0, *given.weights]
    rng = np.random.default_rng(7)
    directions = [rng.normal(size=array.shape) for array in arrays]
    actual = ALONG(_function(layer, given), given, arrays, directions)
    expected = _directional(case, given, arrays, directions)
    names = ("outputs, forward mode", "final state, forward mode", *NAMES)
    for name, a, b in zip(names, actual, expected, strict=True):
        a = a.detach() if BACKEND == "torch" else a
        assert_close(to_numpy(a), b, "finite_differences", name)


@pytest.mark.parametrize(("kernel", "convention"), OWN_GRADIENT)
def test_second_derivatives_and_forward_mode(kernel, convention):
    _check(Case(convention, "holes"), kernel)


@pytest.mark.parametrize("option", ["default", "backwards", "last"])
def test_options(option):
    """Without a mask; the last step alone, the other direction."""
    _check(Case("replace_before", "none", option), "auto")


def _small(kernel):
    layer = keras_gru.GRU(3, return_sequences=True, kernel=kernel, dtype="float64")
    layer.build((2, 4, 2))
    weights = make_weights(2, 3, np.random.default_rng(3))
    for variable, value in zip(layer.trainable_variables, weights, strict=True):
        variable.assign(value)
    return layer


def _jax_transforms():
    import jax
    from jax import numpy as jnp

    def with_weights(transform):
        def run(layer, x):
            frozen = [variable.value for variable in layer.non_trainable_variables]

            def loss(weights, x):
                return jnp.sum(jnp.sin(layer.stateless_call(weights, frozen, x)[0]))

            weights = [variable.value for variable in layer.trainable_variables]
            return transform(loss, weights, jnp.asarray(x))

        return run

    def of_x(transform):
        return lambda layer, x: transform(layer, jnp.asarray(x))

    return {
        "grad of vmap": with_weights(
            lambda f, w, x: jax.grad(
                lambda w: jnp.sum(jax.vmap(f, (None, 0))(w, x[:, None]))
            )(w)
        ),
        "vmap of grad": with_weights(
            lambda f, w, x: jax.vmap(jax.grad(f), (None, 0))(w, x[:, None])
        ),
        "vmap of jvp": of_x(
            lambda f, x: jax.vmap(lambda x: jax.jvp(f, (x,), (x,))[1])(x[:, None])
        ),
        "jacfwd": of_x(lambda f, x: jax.jacfwd(f)(x)),
        "jacrev": of_x(lambda f, x: jax.jacrev(f)(x)),
        # Those of higher order in one program: op by op each takes ten seconds.
        "hessian": of_x(
            lambda f, x: jax.jit(jax.hessian(lambda x: jnp.sum(f(x) ** 2)))(x)
        ),
        "reverse over reverse": of_x(
            lambda f, x: jax.jit(jax.jacrev(jax.jacrev(lambda x: jnp.sum(f(x) ** 2))))(
                x
            )
        ),
        "linearize": of_x(lambda f, x: jax.linearize(f, x)[1](x)),
        "checkpoint": with_weights(
            lambda f, w, x: jax.grad(jax.checkpoint(f), (0, 1))(w, x)
        ),
        "third derivative": of_x(
            lambda f, x: jax.jit(
                jax.grad(
                    lambda x: jnp.sum(
                        jax.jacrev(jax.grad(lambda x: jnp.sum(f(x) ** 3)))(x)
                    )
                )
            )(x)
        ),
    }


def _torch_transforms():
    import torch
    from torch import func

    def with_weights(transform):
        def run(layer, x):
            frozen = [variable.value for variable in layer.non_trainable_variables]

            def loss(weights, x):
                outputs, _ = layer.stateless_call(list(weights), frozen, x)
                return outputs.sin().sum()

            weights = tuple(v.value.detach() for v in layer.trainable_variables)
            return transform(loss, weights, torch.tensor(x))

        return run

    def of_x(transform):
        return lambda layer, x: transform(layer, torch.tensor(x))

    def dual(f, x):
        with torch.autograd.forward_ad.dual_level():
            moved = f(torch.autograd.forward_ad.make_dual(x, x))
            return torch.autograd.forward_ad.unpack_dual(moved).tangent

    def gradient(f, x, order):
        value = f(x) if order == 1 else gradient(f, x, order - 1)
        return torch.autograd.grad((value**2).sum(), x, create_graph=True)[0]

    return {
        "vmap": of_x(lambda f, x: func.vmap(f)(x[:, None])),
        "grad": with_weights(lambda f, w, x: func.grad(f)(w, x)),
        "grad of vmap": with_weights(
            lambda f, w, x: func.grad(
                lambda w: func.vmap(f, (None, 0))(w, x[:, None]).sum()
            )(w)
        ),
        "vmap of grad": with_weights(
            lambda f, w, x: func.vmap(func.grad(f), (None, 0))(w, x[:, None])
        ),
        "jacfwd": of_x(lambda f, x: func.jacfwd(f)(x)),
        "jacrev": of_x(lambda f, x: func.jacrev(f)(x)),
        "hessian": of_x(lambda f, x: func.hessian(lambda x: (f(x) ** 2).sum())(x)),
        "reverse over reverse": of_x(
            lambda f, x: func.jacrev(func.jacrev(lambda x: (f(x) ** 2).sum()))(x)
        ),
        "dual numbers": of_x(dual),
        "third derivative": of_x(lambda f, x: gradient(f, x.requires_grad_(), 3)),
    }


def _tensorflow_transforms():
    import tensorflow as tf

    def of_x(transform):
        return lambda layer, x: transform(layer, tf.constant(x))

    def gradient(f, x, order):
        with tf.GradientTape() as tape:
            tape.watch(x)
            value = f(x) if order == 1 else gradient(f, x, order - 1)
            value = tf.reduce_sum(value**2)
        return tape.gradient(value, x)

    def jacobian(f, x):
        with tf.GradientTape() as tape:
            tape.watch(x)
            outputs = f(x)
        return tape.jacobian(outputs, x)

    def forward_over_reverse(f, x):
        with tf.autodiff.ForwardAccumulator(x, x) as accumulator:
            value = gradient(f, x, 1)
        return accumulator.jvp(value)

    def in_graph(f, x, compiled):
        third = tf.function(lambda x: gradient(f, x, 3), jit_compile=compiled)
        return third(x)

    return {
        "jacobian": of_x(jacobian),
        "forward over reverse": of_x(forward_over_reverse),
        "third derivative": of_x(functools.partial(gradient, order=3)),
        "third in a graph": of_x(functools.partial(in_graph, compiled=False)),
        "third under XLA": of_x(functools.partial(in_graph, compiled=True)),
    }


TRANSFORMS = {
    "jax": _jax_transforms,
    "torch": _torch_transforms,
    "tensorflow": _tensorflow_transforms,
}[BACKEND]()


@pytest.mark.parametrize("transform", TRANSFORMS)
def test_transforms(transform):
    """The kernel that runs by default, against the plain loop."""
    x = np.random.default_rng(0).normal(size=(2, 4, 2))
    results = [
        keras.tree.flatten(TRANSFORMS[transform](_small(kernel), x))
        for kernel in ("auto", "portable")
    ]
    assert results[0]
    for actual, expected in zip(*results, strict=True):
        assert_close(to_numpy(actual), to_numpy(expected), "float64", transform)


def test_the_first_backward_pass_stays_the_kernels_own(monkeypatch):
    """The reference is asked for nothing until a second derivative is taken."""
    asked = []
    states = kernels.recurrence.Recurrence.states
    monkeypatch.setattr(
        kernels.recurrence.Recurrence,
        "states",
        lambda *given, **options: asked.append(1) or states(*given, **options),
    )
    layer = _small("auto")
    assert layer.explain((2, 4, 2), training=True).kernel != "portable"
    case = Case("keep_after", shape=(2, 4, 2, 3))
    given = numbers(case)
    arrays = [given.x, given.h0, *given.weights]
    run = _function(build_layer(case, given.weights, "float64"), given)
    _first_gradient(run, given, arrays)
    assert not asked
    ALONG(run, given, arrays, arrays)
    assert asked


def _first_gradient(run, given, arrays):
    if BACKEND == "jax":
        import jax

        jax.grad(lambda *arrays: _value(given, *run(*arrays)))(*arrays)
    elif BACKEND == "torch":
        import torch

        arrays = [torch.tensor(a, requires_grad=True) for a in arrays]
        _value(given, *run(*arrays)).backward()
    else:
        import tensorflow as tf

        arrays = [tf.constant(a) for a in arrays]
        with tf.GradientTape() as tape:
            tape.watch(arrays)
            loss = _value(given, *run(*arrays))
        tape.gradient(loss, arrays)


@pytest.mark.parametrize("kernel", kernels.KERNELS, ids=kernels.name_of)
def test_explain_says_what_computes_which_derivative(kernel):
    assert "first" in kernel.DERIVATIVES or "every" in kernel.DERIVATIVES
    explained = keras_gru.GRU(4).explain()
    assert explained.derivatives in str(explained)
    portable = keras_gru.GRU(4, kernel="portable").explain()
    assert portable.derivatives == kernels.portable.DERIVATIVES

"""The configurations every pass is held against the oracle in, and their numbers.

Three lists make a case: the four conventions, the kinds of mask, the options that
change the maths. Every pair across two lists occurs in `CASES`; `test_cases.py`
proves it, and that no kernel, variant or constructor argument has been forgotten.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from keras_gru import kernels
from tests import oracle

CONVENTIONS = {
    "keep_after": {"update_gate": "keep", "reset_after": True},
    "keep_before": {"update_gate": "keep", "reset_after": False},
    "replace_after": {"update_gate": "replace", "reset_after": True},
    "replace_before": {"update_gate": "replace", "reset_after": False},
}

# What the literature calls them. The tests know it by themselves, not from the code.
VARIANTS = {
    "keras": "keep_after",
    "pytorch": "keep_after",
    "cudnn": "keep_after",
    "cho2014_v1": "keep_after",
    "cho2014": "keep_before",
    "chung2014": "replace_before",
    "haiku": "replace_before",
    "replace_after": "replace_after",
}

AFTER = ("keep_after", "replace_after")

# Every kernel, and what it says that it runs. `test_kernels.py` runs them all.
KERNELS = {kernels.name_of(kernel): kernel.ABILITIES for kernel in kernels.KERNELS}


def conventions_of(name):
    """The conventions that the kernel runs."""
    return list(CONVENTIONS) if KERNELS[name].reset_before else AFTER


MASKS = ("none", "all", "left", "right", "holes", "empty_row", "empty")

# (batch, time, features, units): few sizes, so that compiled programs are shared.
ODD = (3, 7, 5, 6)
ONE_UNIT = (2, 4, 3, 1)
ONE_STEP = (3, 1, 5, 6)
ONE_ROW = (1, 5, 2, 3)
SHAPES = (ODD, ONE_UNIT, ONE_STEP, ONE_ROW)

# Arguments of GRU that change the maths -> the values that must occur in `CASES`.
MATHS = {
    "units": (6, 1, 3),
    "activation": ("tanh", "relu", "linear"),
    "recurrent_activation": ("sigmoid", "hard_sigmoid", "tanh"),
    "use_bias": (True, False),
    "dropout": (0.0, 0.4),
    "recurrent_dropout": (0.0, 0.3),
    "return_sequences": (True, False),
    "go_backwards": (False, True),
    "stateful": (False, True),
    "unroll": (False, True),
    "reset_after": (True, False),
    "update_gate": ("keep", "replace"),
    "zero_output_for_mask": (False, True),
    "implementation": (2, 1),
    "learn_initial_state": (False, True),
    "zoneout": (0.0, 0.3),
    "layer_normalization": (False, True),
}

# The other arguments -> why no case varies them, or the file that tests them.
NOT_MATHS = {
    "kernel_initializer": "the cases set the weights; test_config.py",
    "recurrent_initializer": "the cases set the weights; test_config.py",
    "bias_initializer": "the cases set the weights; test_config.py",
    "kernel_regularizer": "adds to the loss only; test_call.py",
    "recurrent_regularizer": "adds to the loss only; test_call.py",
    "bias_regularizer": "adds to the loss only; test_call.py",
    "activity_regularizer": "adds to the loss only; test_call.py",
    "kernel_constraint": "acts in the optimizer; test_config.py",
    "recurrent_constraint": "acts in the optimizer; test_config.py",
    "bias_constraint": "acts in the optimizer; test_config.py",
    "seed": "chooses the dropout masks, which the cases read; test_dropout.py",
    "return_state": "always on in a case, both results are compared; test_call.py",
    "use_cudnn": "chooses a kernel; test_explain.py",
    "kernel": "chooses a kernel; KERNELS above and test_kernels.py",
    "kwargs": "zero_output_for_mask and implementation are above, the rest is Keras'",
}

# The options beside the convention. Each meets each kind of mask.
OPTIONS = {
    "default": {},
    "relu": {"activation": "relu"},
    "linear": {"activation": "linear"},
    "hard_sigmoid": {"recurrent_activation": "hard_sigmoid"},
    "tanh_gates": {"recurrent_activation": "tanh"},
    "no_bias": {"use_bias": False},
    "backwards": {"go_backwards": True},
    "unroll": {"unroll": True},
    "unroll_backwards": {"unroll": True, "go_backwards": True},
    "last": {"return_sequences": False},
    "last_backwards": {"return_sequences": False, "go_backwards": True},
    "last_unroll": {"return_sequences": False, "unroll": True},
    "zero_output": {"zero_output_for_mask": True},
    "zero_output_unroll": {"zero_output_for_mask": True, "unroll": True},
    "zero_output_last": {"zero_output_for_mask": True, "return_sequences": False},
    "implementation_1": {"implementation": 1},
    "dropout": {"dropout": 0.4},
    "dropout_1": {"dropout": 0.4, "implementation": 1},
    "recurrent_dropout": {"recurrent_dropout": 0.3},
    "both_dropouts": {"dropout": 0.4, "recurrent_dropout": 0.3, "go_backwards": True},
    "stateful": {"stateful": True},
    "learned_state": {"learn_initial_state": True},
    "zoneout": {"zoneout": 0.3},  # outside of training, for there is no dropout
    "zoneout_drawn": {"zoneout": 0.3, "recurrent_dropout": 0.3, "go_backwards": True},
    "layer_norm": {"layer_normalization": True},
    "layer_norm_dropped": {
        "layer_normalization": True,
        "dropout": 0.4,
        "recurrent_dropout": 0.3,
        "use_bias": False,
    },
}

DEFAULTS = {name: values[0] for name, values in MATHS.items()}


@dataclass(frozen=True)
class Case:
    """One configuration: what to build, on which sizes, under which mask."""

    convention: str
    mask: str = "none"
    option: str = "default"
    shape: tuple[int, int, int, int] = ODD
    extra: tuple = field(default=())  # more options, as items, for random cases

    @property
    def options(self) -> dict:
        """The keyword arguments of GRU, without `units`."""
        return {
            "return_sequences": True,  # to see every step; the layer's default is False
            **CONVENTIONS[self.convention],
            **OPTIONS[self.option],
            **dict(self.extra),
        }

    @property
    def maths(self) -> dict:
        """Every argument of `MATHS` with its value, defaults included."""
        return {**DEFAULTS, **self.options, "units": self.shape[3]}

    @property
    def training(self) -> bool:
        return bool(self.maths["dropout"] or self.maths["recurrent_dropout"])

    def __str__(self) -> str:
        sizes = "" if self.shape == ODD else "-" + "x".join(map(str, self.shape))
        return f"{self.convention}-{self.mask}-{self.option}{sizes}"


def _cases():
    conventions = list(CONVENTIONS)
    cases = [Case(c, mask) for c in conventions for mask in MASKS]
    cases += [Case(c, option=option) for c in conventions for option in OPTIONS]
    for i, option in enumerate(OPTIONS):
        for j, mask in enumerate(MASKS):
            cases.append(Case(conventions[(i + j) % 4], mask, option))
    for shape in SHAPES:
        cases += [Case(c, "holes", shape=shape) for c in conventions]
        cases += [Case(c, option="backwards", shape=shape) for c in conventions]
    return list(dict.fromkeys(cases))  # the lists overlap; each case once, in order


CASES = _cases()


def _covering(stride):
    """Each convention under each mask, the options in turn; and each of the shapes."""
    conventions, options = list(CONVENTIONS), list(OPTIONS)
    cases = [
        Case(conventions[i % 4], MASKS[i % 7], options[i * stride % len(options)])
        for i in range(4 * 7)
    ]
    return cases + [
        Case(conventions[i % 4], "holes", "backwards", shape)
        for i, shape in enumerate(SHAPES, stride)
    ]


# For what is run with every kernel; an option meets another mask in each dtype. A
# stride of 2 brings a case whose gates, by tanh, turn the rounding of the inputs to
# float32 into errors of 3e-4: no pass in float32 can be held to a tolerance there.
COVERING = {"float64": _covering(1), "float32": _covering(7)}


@dataclass
class Numbers:
    """Random arrays for one case, all float64, all different from one another."""

    x: np.ndarray  # (batch, time, features)
    h0: np.ndarray  # (batch, units)
    mask: np.ndarray | None  # (batch, time)
    weights: list  # in the order of the layer's
    d_outputs: np.ndarray  # gradient that comes down to the outputs
    d_state: np.ndarray  # gradient that comes down to the final state
    resets: np.ndarray | None = None  # (batch, time), where a sequence begins

    def by_name(self, case: Case) -> dict:
        """Name -> weight, those that the case has."""
        there = {"kernel": True, "recurrent_kernel": True, "bias": "use_bias"}
        there |= {"gamma": "layer_normalization"}
        there |= {"initial_state": "learn_initial_state"}
        names = [n for n, key in there.items() if key is True or case.maths[key]]
        return dict(zip(names, self.weights, strict=True))


def numbers(case: Case, seed: int = 0) -> Numbers:
    """Draws inputs, weights and incoming gradients for `case`."""
    batch, timesteps, features, units = case.shape
    maths = case.maths
    rng = np.random.default_rng(seed)
    sequence = (timesteps,) if maths["return_sequences"] else ()
    given = Numbers(
        x=rng.normal(size=(batch, timesteps, features)),
        h0=rng.normal(size=(batch, units)),
        mask=make_mask(case.mask, batch, timesteps, rng),
        weights=make_weights(
            features, units, rng, maths["use_bias"], maths["reset_after"]
        ),
        d_outputs=rng.normal(size=(batch, *sequence, units)),
        d_state=rng.normal(size=(batch, units)),
    )
    if maths["layer_normalization"]:
        given.weights.append(1.0 + rng.normal(size=(2, 3 * units)) * 0.3)
    if maths["learn_initial_state"]:
        given.weights.append(rng.normal(size=(units,)))
    return given


def make_weights(features, units, rng, use_bias=True, reset_after=True):
    """Draws kernel, recurrent kernel and bias: no two gates, rows or signs alike."""
    weights = [
        rng.normal(size=(features, 3 * units)) * 0.5,
        rng.normal(size=(units, 3 * units)) * 0.4,
    ]
    if use_bias:
        weights.append(
            rng.normal(size=(2, 3 * units) if reset_after else (3 * units,)) * 0.3
        )
    return weights


def make_mask(kind, batch, timesteps, rng):
    """Draws a (batch, time) mask, True = use, or returns None for "none"."""
    time = np.arange(timesteps)[None]
    lengths = rng.integers(1, timesteps + 1, size=(batch, 1))
    if kind == "none":
        return None
    if kind == "all":
        return np.ones((batch, timesteps), bool)
    if kind == "right":
        return time < lengths
    if kind == "left":
        return time >= timesteps - lengths
    if kind == "holes":
        return rng.random((batch, timesteps)) < 0.6
    if kind == "empty_row":
        mask = rng.random((batch, timesteps)) < 0.6
        mask[rng.integers(batch)] = False
        return mask
    if kind == "empty":
        return np.zeros((batch, timesteps), bool)
    raise ValueError(f"no mask kind {kind!r}")


def restarts_of(resets, mask, go_backwards):
    """(batch, time): which steps are processed from a state of zeros.

    Read from its end, a sequence is begun after the step at which the one behind it
    begins in time. What the mask skips begins nothing.
    """
    restarts = np.zeros(resets.shape, bool)
    for row in range(len(resets)):
        anew = False
        for time in reversed(range(resets.shape[1])):
            if mask is not None and not mask[row, time]:
                continue
            restarts[row, time] = anew if go_backwards else resets[row, time]
            anew = resets[row, time]
    return restarts


def judge(
    case: Case,
    given: Numbers,
    dropout_masks=None,
    recurrent_dropout_masks=None,
    zoneout_mask=None,
):
    """Asks the oracle: returns (outputs, final state, gradients by name).

    A layer that learns its initial state is given no other one.
    """
    maths = case.maths
    weights = given.by_name(case)
    start = weights.pop("initial_state", None)
    h0 = given.h0 if start is None else np.broadcast_to(start, given.h0.shape)
    names = ("reset_after", "update_gate", "activation", "recurrent_activation")
    names += ("go_backwards", "return_sequences", "zero_output_for_mask")
    ran = oracle.forward(
        given.x,
        h0,
        **weights,
        mask=given.mask,
        start=start,
        zoneout=maths["zoneout"] if zoneout_mask is None else zoneout_mask,
        restarts=None
        if given.resets is None
        else restarts_of(given.resets, given.mask, maths["go_backwards"]),
        dropout_masks=dropout_masks,
        recurrent_dropout_masks=recurrent_dropout_masks,
        **{name: maths[name] for name in names},
    )
    gradients = oracle.backward(ran, given.d_outputs, given.d_state)
    if start is not None:
        at_first = gradients.pop("h0")
        gradients["initial_state"] = gradients.pop("start") + at_first.sum(0)
    return ran.outputs, ran.final_state, gradients

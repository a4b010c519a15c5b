"""A use, and what becomes of it when our layer takes the place of Keras' own."""

from __future__ import annotations

import re
import traceback
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np

import keras_gru
from tests.tolerances import TOLERANCES, error

BACKEND = keras.backend.backend()
BACKENDS = ("tensorflow", "jax", "torch")

STOCK = SimpleNamespace(**vars(keras.layers))
OURS = SimpleNamespace(
    **{**vars(keras.layers), "GRU": keras_gru.GRU, "GRUCell": keras_gru.GRUCellV}
)

SAME = "same"
BOTH_REFUSE = "both refuse"
ONLY_OURS = "only ours"
DIFFERS = "differs on purpose"
FAILS = "FAILS"

REFUSALS = (ValueError, TypeError, NotImplementedError, RuntimeError)
"""Errors that say no. Another one of ours is a fault, unless Keras has the same."""

Function = Callable[[SimpleNamespace], Any]


@dataclass(frozen=True)
class Use:
    """One use: its title for people, its function, and what is expected of it."""

    group: str
    title: str
    function: Function
    backends: tuple[str, ...]
    row: str  # of tests/tolerances.py
    declared: dict[str, tuple[str, str]]  # backend -> verdict other than SAME, reason

    @property
    def name(self) -> str:
        return re.sub(r"\W+", "_", f"{self.group}-{self.title}".lower()).strip("_")

    def expected(self, backend: str) -> str:
        return self.declared.get(backend, (SAME, ""))[0]


USES: list[Use] = []
"""Every use, in the order of the table."""


def group(heading: str, on: tuple[str, ...] = BACKENDS) -> Callable[..., Any]:
    """Returns the decorator that puts a function under this heading of the table."""

    def use(
        title: str,
        *,
        on: tuple[str, ...] = on,
        row: str = "float32",
        both_refuse: str | dict[str, str] = "",
        only_ours: str | dict[str, str] = "",
        differs: str | dict[str, str] = "",
    ) -> Callable[[Function], Function]:
        """The last three: the reason of this verdict, or backend -> reason."""
        declared = {}
        for verdict, reasons in (
            (BOTH_REFUSE, both_refuse),
            (ONLY_OURS, only_ours),
            (DIFFERS, differs),
        ):
            if isinstance(reasons, str):
                reasons = dict.fromkeys(on, reasons) if reasons else {}
            declared |= {backend: (verdict, why) for backend, why in reasons.items()}

        def add(function: Function) -> Function:
            USES.append(Use(heading, title, function, on, row, declared))
            return function

        return add

    return use


def refused(*calls: Callable[[], Any]) -> None:
    """For uses that must fail: raises an error, if each of the calls raises one."""
    errors: list[Exception] = []
    for call in calls:
        try:
            call()
        except Exception as error:
            errors.append(error)
        else:
            raise AssertionError(f"Call {len(errors)} was not refused.")
    raise max(errors, key=lambda error: not isinstance(error, REFUSALS))


@dataclass(frozen=True)
class Outcome:
    verdict: str
    details: str  # what differs, and the errors of both sides


@dataclass(frozen=True)
class Attempt:
    """What one side made of a use."""

    result: Any = None
    error: Exception | None = None
    warned: frozenset[str] = field(default_factory=frozenset)

    def __str__(self) -> str:
        if self.error is None:
            return "returned"
        return "".join(traceback.format_exception(self.error))


def judge(use: Use) -> Outcome:
    """Tries a use on both sides, from the same seed, and compares."""
    stock, ours = attempt(use, STOCK), attempt(use, OURS)
    verdict, difference = _verdict(use, stock, ours)
    return Outcome(
        verdict, f"{difference}\nkeras.layers.GRU: {stock}\nkeras_gru.GRU: {ours}"
    )


def _verdict(use: Use, stock: Attempt, ours: Attempt) -> tuple[str, str]:
    """The verdict, and what differs."""
    if isinstance(stock.error or ours.error, AssertionError):
        return FAILS, "the use itself is wrong"
    if stock.error and ours.error:
        says_no = isinstance(ours.error, REFUSALS)
        same_error = repr(ours.error) == repr(stock.error)
        return (BOTH_REFUSE if says_no or same_error else FAILS), ""
    if stock.error:
        not_a_number = difference(ours.result, ours.result, use.row)
        return (FAILS if not_a_number else ONLY_OURS), not_a_number
    if ours.error:
        found = "only keras_gru.GRU refuses"
    else:
        found = difference(ours.result, stock.result, use.row)
        if new := ours.warned - stock.warned:
            found += f" only keras_gru.GRU warns: {sorted(new)}"
    if not found:
        return SAME, ""
    return (DIFFERS if use.expected(BACKEND) == DIFFERS else FAILS), found


def attempt(use: Use, layers: SimpleNamespace) -> Attempt:
    """Runs a use on one side, as if nothing had run before."""
    policy = keras.config.dtype_policy()
    keras.utils.clear_session(free_memory=False)
    keras.utils.set_random_seed(0)
    with warnings.catch_warnings(record=True) as warned:
        warnings.simplefilter("always")
        try:
            result = as_arrays(use.function(layers))
        except Exception as error:  # the verdict tells of it
            return Attempt(error=error)
        finally:
            keras.config.set_dtype_policy(policy)
    # Some name the class; a difference there is none.
    messages = (str(each.message).replace("GRUCellV", "GRUCell") for each in warned)
    return Attempt(result, warned=frozenset(messages))


def as_arrays(result: Any) -> Any:
    """The result with NumPy arrays for tensors and lists for tuples."""
    if isinstance(result, dict):
        return {key: as_arrays(value) for key, value in result.items()}
    if isinstance(result, (list, tuple)):
        return [as_arrays(value) for value in result]
    if isinstance(result, (np.ndarray, np.generic)):
        return np.asarray(result)
    if keras.ops.is_tensor(result) or isinstance(result, keras.Variable):
        return keras.ops.convert_to_numpy(result)
    if result is None or isinstance(result, (bool, int, float, str)):
        return result
    raise AssertionError(f"A use returns arrays or plain values, not {result!r}.")


def difference(actual: Any, expected: Any, row: str, where: str = "result") -> str:
    """What differs; an empty string where nothing does."""
    if type(actual) is not type(expected):
        return f"{where} is a {type(actual)}, expected {type(expected)};"
    if isinstance(expected, (float, np.ndarray)):
        return _arrays_differ(np.asarray(actual), np.asarray(expected), row, where)
    if not isinstance(expected, (dict, list)):
        same = actual == expected
        return "" if same else f"{where} is {actual!r}, expected {expected!r};"
    if isinstance(expected, list):
        actual, expected = dict(enumerate(actual)), dict(enumerate(expected))
    if actual.keys() != expected.keys():
        return f"{where} has the keys {list(actual)}, expected {list(expected)};"
    found = [
        difference(actual[key], expected[key], row, f"{where}[{key!r}]")
        for key in expected
    ]
    return " ".join(filter(None, found))


def _arrays_differ(
    actual: np.ndarray, expected: np.ndarray, row: str, where: str
) -> str:
    if (actual.dtype, actual.shape) != (expected.dtype, expected.shape):
        return (
            f"{where} is {actual.dtype}{actual.shape}, "
            f"expected {expected.dtype}{expected.shape};"
        )
    if actual.dtype.kind not in "fV":  # V is bfloat16, to NumPy
        return "" if np.array_equal(actual, expected) else f"{where} differs;"
    found = error(actual, expected)
    if found <= TOLERANCES[row].error:  # NaN is not
        return ""
    return f"{where} has the relative error {found:.3g} ({row});"

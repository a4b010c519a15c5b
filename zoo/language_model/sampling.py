"""Text from a model, one token and one step of the state at a time."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np

from zoo.errors import ZooError
from zoo.language_model.data import Tokens
from zoo.language_model.model import reset_carried_state


def probabilities(
    logits: np.ndarray,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> np.ndarray:
    """Probabilities to draw the next character from.

    p ∝ exp(logits / temperature), zero outside the `top_k` most probable characters
    and outside the fewest that together reach `top_p`, then scaled to a sum of 1.

    Args:
        logits: (vocabulary,).
        temperature: below 1 bolder, above 1 flatter; 0 takes the most probable.
        top_k: how many characters may be drawn; None for all.
        top_p: how much probability they hold together; None for all.

    Returns:
        (vocabulary,) in float64.

    Example:
        >>> probabilities(np.log([0.5, 0.3, 0.2]), top_k=2).round(3).tolist()
        [0.625, 0.375, 0.0]
    """
    check(temperature, top_k, top_p)
    logits = np.asarray(logits, dtype=np.float64)
    if temperature == 0:
        greedy: np.ndarray = np.eye(len(logits))[int(logits.argmax())]
        return greedy
    scaled = logits / temperature
    weights: np.ndarray = np.exp(scaled - scaled.max())
    # Stable, so that of equal characters the earlier one stays.
    order = np.argsort(-weights, kind="stable")
    allowed = np.ones(len(order), dtype=bool)  # along `order`
    if top_k is not None:
        allowed[top_k:] = False
    if top_p is not None:
        sorted_weights = weights[order] * allowed
        before = np.cumsum(sorted_weights) - sorted_weights
        allowed &= before < top_p * sorted_weights.sum()
    weights[order[~allowed]] = 0.0
    weights /= weights.sum()
    return weights


def check(temperature: float, top_k: int | None, top_p: float | None) -> None:
    """Refuse settings that mean nothing.

    Raises:
        ZooError: a setting is out of its range.
    """
    if not (np.isfinite(temperature) and temperature >= 0):
        raise ZooError(f"temperature={temperature}; expected a number of at least 0")
    if top_k is not None and top_k < 1:
        raise ZooError(f"top_k={top_k}; expected at least 1")
    if top_p is not None and not 0 < top_p <= 1:
        raise ZooError(f"top_p={top_p}; expected more than 0 and at most 1")


def generate(
    model: keras.Model,
    tokens: Tokens,
    prompt: str,
    length: int,
    *,
    seed: int,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> Iterator[str]:
    """Yield text that goes on from `prompt`, each token as it is drawn.

    A character of several bytes may take several tokens; all but the last give "".

    Args:
        model: built with batch size 1; the state carries the text so far, so a
            token costs one step however long the text is.
        tokens: of the text that the model was trained on.
        prompt: at least one character.
        length: how many tokens to draw.
        seed: the same seed gives the same text.
        temperature: see `probabilities`.
        top_k: see `probabilities`.
        top_p: see `probabilities`.

    Raises:
        ZooError: the prompt is empty or has unknown characters, or a setting is out of
            its range.
    """
    check(temperature, top_k, top_p)
    if not prompt:
        raise ZooError("the prompt is empty; expected at least one character")
    ids = tokens.encode(prompt)
    text_of = tokens.streaming()
    random = np.random.default_rng(seed)
    reset_carried_state(model)
    logits = np.zeros(len(tokens))
    for index in ids:
        logits = _step(model, int(index))
    for _ in range(length):
        chances = probabilities(logits, temperature, top_k, top_p)
        index = int(random.choice(len(chances), p=chances))
        yield text_of(index)
        logits = _step(model, index)


def _step(model: keras.Model, index: int) -> np.ndarray:
    """Read one token: logits of the next (vocabulary,)."""
    token = np.array([[index]], dtype=np.int32)  # (1, 1)
    return np.asarray(model.predict_on_batch(token)[0, -1])

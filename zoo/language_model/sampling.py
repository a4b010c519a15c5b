"""How the next token is drawn from a model's logits."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from pydantic import Field
from scipy.special import softmax

from zoo.config import Checked, Count, NotNegative, Whole

# What a training leaves at its end.
SAMPLES = 3
SAMPLE_LENGTH = 300


@dataclass(frozen=True)
class Sampling(Checked):
    """How text is drawn.

    Attributes:
        length: tokens to draw: characters, or pieces.
        temperature: below 1 bolder, above 1 flatter; 0 always takes the most probable.
        top_k: draw from the K most probable.
        top_p: draw from the fewest that hold this probability.
        seed: the same seed gives the same text.
    """

    length: Count = 500
    temperature: NotNegative = 0.8
    top_k: Count | None = None
    top_p: Annotated[float, Field(gt=0, le=1)] | None = None
    seed: Whole = 0


@dataclass(frozen=True)
class Predict(Sampling):
    """Write text that goes on from a prompt.

    Attributes:
        prompt: text to go on from; by default a new line.
        interactive: take prompts from standard input, a line each, until its end.
    """

    prompt: str = "\n"
    interactive: bool = False


def probabilities(
    logits: np.ndarray,
    temperature: float = 1.0,
    top_k: int | None = None,
    top_p: float | None = None,
) -> np.ndarray:
    """Probabilities to draw the next token from.

    p ∝ exp(logits / temperature), zero outside the `top_k` most probable tokens and
    outside the fewest that together reach `top_p`, then scaled to a sum of 1.

    Logits and probabilities are (vocabulary,), the latter in float64; the rest is as in
    `Sampling`.

    Example:
        >>> probabilities(np.log([0.5, 0.3, 0.2]), top_k=2).round(3).tolist()
        [0.625, 0.375, 0.0]
    """
    logits = np.asarray(logits, dtype=np.float64)
    if temperature == 0:
        greedy: np.ndarray = np.eye(len(logits))[int(logits.argmax())]
        return greedy
    chances: np.ndarray = softmax(logits / temperature)
    # Stable, so that of equal tokens the earlier one stays.
    order = np.argsort(-chances, kind="stable")
    allowed = np.ones(len(order), dtype=bool)  # along `order`
    if top_k is not None:
        allowed[top_k:] = False
    if top_p is not None:
        kept = chances[order] * allowed
        before = np.cumsum(kept) - kept
        allowed &= before < top_p * kept.sum()
    chances[order[~allowed]] = 0.0
    chances /= chances.sum()
    return chances

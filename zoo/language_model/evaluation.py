"""The loss of a model on a text, each token predicted once."""

from __future__ import annotations

import math
from dataclasses import dataclass

import keras
import numpy as np
from scipy.special import log_softmax

from zoo.language_model.config import Config
from zoo.language_model.model import reset_carried_state
from zoo.language_model.tokens import Tokens


@dataclass(frozen=True)
class Text:
    """A text to be measured with.

    Attributes:
        ids: its tokens (tokens,).
        characters: how many characters the tokens behind the first one make.
    """

    ids: np.ndarray
    characters: int

    @classmethod
    def of(cls, text: str, tokens: Tokens) -> Text:
        ids = tokens.encode(text)
        return cls(ids, tokens.characters_after(text, ids))


def mean_nats(
    model: keras.Model, ids: np.ndarray, timesteps: int, warmup: int
) -> float:
    """Mean negative log-likelihood of a text's tokens but the first, in nats.

    The text is cut into as many parts as `model` has rows, and each row reads its part
    with the state carried, so that `timesteps` does not change the result. A row reads
    the last `warmup` tokens before its part first, uncounted, so that a part's
    first tokens are predicted from what stands before them, as in one long pass.

    Args:
        model: built with a batch size; (batch, time) -> logits.
        ids: the text (tokens,), at least two.
        timesteps: tokens a call.
        warmup: tokens read before a part.
    """
    batch = int(model.input_shape[0])
    predictions = len(ids) - 1
    length = math.ceil(predictions / batch)  # of a part
    first = np.arange(batch)[:, None] * length  # (batch, 1)
    calls = math.ceil((length + min(warmup, predictions)) / timesteps)
    places = np.maximum(first - warmup, 0) + np.arange(calls * timesteps)
    counted = (first <= places) & (places < np.minimum(first + length, predictions))
    places = np.minimum(places, predictions - 1)  # behind the end: padding, uncounted
    inputs = ids[places]  # (batch, calls * timesteps)
    targets = ids[places + 1]
    reset_carried_state(model)
    total = 0.0
    for start in range(0, calls * timesteps, timesteps):
        window = slice(start, start + timesteps)
        logits = model.predict_on_batch(inputs[:, window])  # (batch, time, vocabulary)
        logs = log_softmax(np.asarray(logits, dtype=np.float64), axis=-1)
        chosen = np.take_along_axis(logs, targets[:, window, None], axis=-1)[..., 0]
        total -= float(chosen[counted[:, window]].sum())
    return total / predictions


def measure(model: keras.Model, text: Text, config: Config) -> dict[str, float]:
    """nats and bits_per_char of a text: means over its characters."""
    nats = mean_nats(
        model, text.ids, config.evaluation_timesteps, config.evaluation_warmup
    )
    per_character = nats * ((len(text.ids) - 1) / text.characters)
    return {"nats": per_character, "bits_per_char": per_character / math.log(2.0)}

"""Measure and use a trained language model. Keras runs already."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import keras

from zoo.language_model.model import build, copy_weights
from zoo.language_model.sampling import generate
from zoo.language_model.train import Text, Trained, measure, tokens_of


def evaluate(trained: Trained) -> dict[str, Any]:
    """Loss of the best weights on the validation part of the text.

    Returns:
        nats and bits_per_char (means over characters), dataset, split, characters,
        tokens, seconds.

    Raises:
        ZooError: the weights are damaged, or the text has changed.
    """
    corpus = trained.data()
    text = Text.of(corpus.validation, tokens_of(trained.extras))
    model = _carrying(trained, trained.config.evaluation_streams)
    begun = time.perf_counter()
    return {
        **measure(model, text, trained.config),
        "dataset": corpus.name,
        "split": "validation",
        "characters": text.characters,
        "tokens": len(text.ids) - 1,
        "seconds": round(time.perf_counter() - begun, 3),
    }


class Writer:
    """Goes on with a text.

    Example:
        >>> writer = zoo.load("shakespeare-char-base")  # doctest: +SKIP
        >>> writer.predict("ROMEO:", length=200, temperature=0.8)  # doctest: +SKIP
    """

    def __init__(self, trained: Trained) -> None:
        self._tokens = tokens_of(trained.extras)
        self._model = _carrying(trained, batch_size=1)

    def __call__(self, prompt: str = "\n", length: int = 500, **options: Any) -> str:
        """Return what follows `prompt`; see `stream`."""
        return "".join(self.stream(prompt, length, **options))

    def stream(
        self,
        prompt: str,
        length: int,
        *,
        seed: int = 0,
        temperature: float = 0.8,
        top_k: int | None = None,
        top_p: float | None = None,
    ) -> Iterator[str]:
        """Yield what follows `prompt`, piece by piece; see `sampling.generate`.

        Raises:
            ZooError: the prompt or a setting is wrong.
        """
        return generate(
            self._model,
            self._tokens,
            prompt,
            length,
            seed=seed,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
        )


def _carrying(trained: Trained, batch_size: int) -> keras.Model:
    """The model for `batch_size` streams, their states carried from call to call."""
    model = build(trained.config, batch_size)
    copy_weights(trained.model(), model)
    return model

"""Measure and use a trained language model. Keras runs already."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import fields
from typing import Any

import keras
import numpy as np

from zoo.errors import ZooError
from zoo.language_model.config import Config
from zoo.language_model.data import Source
from zoo.language_model.evaluation import Text, measure
from zoo.language_model.model import build, reset_carried_state
from zoo.language_model.sampling import Predict, Sampling, probabilities
from zoo.language_model.tokens import Tokens, tokens_of
from zoo.presets.pretrained import Pretrained
from zoo.presets.saved import Saved
from zoo.training.weights import copy_weights


class LanguageModel(Pretrained):
    """Goes on with a text.

    Example:
        >>> from zoo.language_model.use import LanguageModel
        >>> writer = LanguageModel.from_preset("shakespeare-char-base")
        >>> print(writer.predict("ROMEO:", length=200))  # doctest: +SKIP
    """

    program = "language_model"

    def __init__(self, saved: Saved, model: keras.Model) -> None:
        super().__init__(saved, model)
        self.tokens = tokens_of(saved.extras)
        self._streaming: keras.Model | None = None

    @staticmethod
    def build(config: Config) -> keras.Model:
        return build(config)

    @property
    def carries_state(self) -> bool:
        """So that a file can write a text, a token a call."""
        return True

    def predict(self, prompt: str = "\n", **options: Any) -> str:
        """Return what follows `prompt`; `options` are those of `Sampling`.

        Raises:
            ZooError: the prompt is empty or has unknown characters, or an option is
                out of its range.
        """
        return "".join(self.stream(prompt, Sampling(**options)))

    def stream(self, prompt: str, how: Sampling) -> Iterator[str]:
        """Yield what follows `prompt`, each token as it is drawn."""
        if self._streaming is None:
            self._streaming = self._carrying(batch_size=1)
        return generate(self._streaming, self.tokens, prompt, how)

    def model_inputs(self, given: str) -> np.ndarray:
        """A text as tokens, (1, tokens)."""
        if not given:
            raise ZooError("the text is empty; expected at least one character")
        return np.asarray(self.tokens.encode(given), np.int32)[None]

    def evaluate(self, *, on: Source | None = None, **options: Any) -> dict[str, Any]:
        """Measure the loss on the validation part of the text.

        Args:
            on: another text than that of the training.

        Returns:
            nats and bits_per_char (means over characters), dataset, split, characters,
            tokens, seconds.

        Raises:
            ZooError: the text cannot be had, or has changed.
        """
        corpus = self.saved.load_data(on)
        text = Text.of(corpus.validation, self.tokens)
        model = self._carrying(self.config.evaluation_streams)
        begun = time.perf_counter()
        return {
            **measure(model, text, self.config),
            "dataset": corpus.name,
            "split": "validation",
            "characters": text.characters,
            "tokens": len(text.ids) - 1,
            "seconds": round(time.perf_counter() - begun, 3),
        }

    def _carrying(self, batch_size: int) -> keras.Model:
        """The model for `batch_size` streams, their states carried on."""
        model = build(self.config, batch_size)
        copy_weights(self.model, model)
        return model


PRETRAINED = LanguageModel


def generate(
    model: keras.Model, tokens: Tokens, prompt: str, how: Sampling
) -> Iterator[str]:
    """Yield text that goes on from `prompt`, each token as it is drawn.

    A character of several bytes may take several tokens; all but the last give "".

    The model is built with batch size 1. Its state carries the text so far, so a token
    costs one step however long the text is.
    """
    if not prompt:
        raise ZooError("the prompt is empty; expected at least one character")
    ids = tokens.encode(prompt)
    text_of = tokens.streaming()
    random = np.random.default_rng(how.seed)
    reset_carried_state(model)
    logits = _read(model, ids)
    for _ in range(how.length):
        chances = probabilities(logits, how.temperature, how.top_k, how.top_p)
        index = int(random.choice(len(chances), p=chances))
        yield text_of(index)
        logits = _read(model, np.array([index], dtype=np.int32))


def _read(model: keras.Model, ids: np.ndarray) -> np.ndarray:
    """Read tokens (tokens,) in one call: logits of the one after them (vocabulary,)."""
    return np.asarray(model.predict_on_batch(ids[None])[0, -1])


# The command line.


def told(figures: dict[str, Any]) -> str:
    """Figures of `evaluate` in a line."""
    return (
        f"{figures['dataset']} {figures['split']}: {figures['nats']:.4f} nats, "
        f"{figures['bits_per_char']:.4f} bits per character, "
        f"{figures['characters']:,} characters in {figures['seconds']:.1f} s"
    )


def predict(saved: Saved, options: Predict, as_json: bool) -> dict[str, Any] | None:
    """What ``zoo predict`` does: write text, or return it as JSON."""
    if options.interactive and as_json:
        raise ZooError("--interactive and --json exclude each other: give one")
    writer = LanguageModel.from_saved(saved)
    how = Sampling(**{one.name: getattr(options, one.name) for one in fields(Sampling)})
    if as_json:
        begun = time.perf_counter()
        text = "".join(writer.stream(options.prompt, how))
        seconds = round(time.perf_counter() - begun, 3)
        return {"prompt": options.prompt, "text": text, "seconds": seconds}
    if not options.interactive:
        _write(options.prompt, writer.stream(options.prompt, how))
        return None
    for line in _prompts():
        try:
            _write(line, writer.stream(line, how))
        except ZooError as error:  # this prompt is wrong, the next may be right
            print(f"zoo: {error}", file=sys.stderr)
    return None


def _prompts() -> Iterator[str]:
    """Lines of standard input; a terminal shows where to type."""
    sign = "> " if sys.stdin.isatty() else ""
    while True:
        print(sign, end="", flush=True)
        line = sys.stdin.buffer.readline()
        if not line:
            return
        try:
            yield line.decode("utf-8").removesuffix("\n") or "\n"
        except UnicodeDecodeError as error:
            print(f"zoo: a prompt is not UTF-8 text: {error}", file=sys.stderr)


def _write(prompt: str, pieces: Iterator[str]) -> None:
    """Write each piece when it is there."""
    first = next(pieces)  # what is wrong with a prompt is told before anything
    sys.stdout.write(prompt + first)
    for piece in pieces:
        sys.stdout.write(piece)
        sys.stdout.flush()
    sys.stdout.write("\n")
    sys.stdout.flush()

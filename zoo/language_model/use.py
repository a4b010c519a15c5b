"""Measure and use what a run has learnt."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import backend as backends
from zoo.language_model.config import Config
from zoo.language_model.data import Corpus
from zoo.language_model.train import PROGRAM, Settings, vocabulary_of
from zoo.trained import Trained, open_trained

if TYPE_CHECKING:
    import keras


def evaluate(path: Path, backend: str) -> dict[str, Any]:
    """Loss of a run's best weights on the validation part of its text.

    Returns:
        nats and bits_per_char (means over characters), dataset, split, characters,
        seconds.

    Raises:
        ZooError: `path` is no run, is damaged, or its text has changed.
    """
    trained = open_trained(PROGRAM, path)
    config, vocabulary = trained.config, vocabulary_of(trained.extras)
    corpus = trained.data()
    model = _load(trained, backend, config.evaluation_streams)
    from zoo.language_model.evaluation import figures, mean_nats

    begun = time.perf_counter()
    ids = vocabulary.encode(corpus.validation)
    nats = mean_nats(model, ids, config.evaluation_timesteps, config.evaluation_warmup)
    return {
        **figures(nats),
        "dataset": corpus.name,
        "split": "validation",
        "characters": len(ids) - 1,
        "seconds": round(time.perf_counter() - begun, 3),
    }


def predict(
    path: Path,
    backend: str,
    prompt: str,
    length: int,
    *,
    seed: int,
    temperature: float,
    top_k: int | None,
    top_p: float | None,
) -> Iterator[str]:
    """Yield characters that go on from `prompt`; see `sampling.generate`.

    Raises:
        ZooError: `path` is no run or damaged, or the prompt or a setting is wrong.
    """
    trained = open_trained(PROGRAM, path)
    vocabulary = vocabulary_of(trained.extras)
    vocabulary.encode(prompt)  # an unknown character is told before Keras starts
    model = _load(trained, backend, batch_size=1)
    from zoo.language_model.sampling import generate

    return generate(
        model,
        vocabulary,
        prompt,
        length,
        seed=seed,
        temperature=temperature,
        top_k=top_k,
        top_p=top_p,
    )


def _load(
    trained: Trained[Settings, Config, Corpus], backend: str, batch_size: int
) -> keras.Model:
    """Build the model for `batch_size` streams, with its best weights."""
    backends.use(backend)
    from zoo.language_model.model import build, copy_weights

    model = build(trained.config, batch_size)
    copy_weights(trained.model(), model)
    return model

"""Measure and use a trained model. Keras already runs."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from zoo.translation import metrics
from zoo.translation.train import Trained, subwords_of
from zoo.translation.translate import BEAM, Translator


def translator(
    trained: Trained, beam: int = BEAM, length_penalty: float = 1.0
) -> Translator:
    """What translates with a run's best weights.

    Raises:
        ZooError: the weights or the vocabulary are damaged.
    """
    return Translator(
        trained.model(),
        trained.config,
        subwords_of(trained.extras),
        beam,
        length_penalty,
    )


def evaluate(
    trained: Trained,
    *,
    split: str = "test",
    beam: int = BEAM,
    length_penalty: float = 1.0,
) -> dict[str, Any]:
    """Translate a split of the data that a run was trained on, and compare.

    Returns:
        bleu, chrf (0 to 100), signature, accuracy (of whole sentences, 0 to 1),
        dataset, split, beam, sentences, seconds (of translating).

    Raises:
        ZooError: the data cannot be had or have changed.
    """
    corpus = trained.data()
    pairs = corpus.splits[split]
    references = [target for _, target in pairs]
    translate = translator(trained, beam, length_penalty)
    begun = time.perf_counter()
    found = [made.text for made in translate([source for source, _ in pairs])]
    return {
        **metrics.bleu_and_chrf(found, references),
        "accuracy": metrics.accuracy(found, references),
        "dataset": corpus.name,
        "split": corpus.split_names[split],
        "beam": beam,
        "sentences": len(pairs),
        "seconds": round(time.perf_counter() - begun, 3),
    }


class Sentences:
    """Translates sentences with a run's best weights, by beam search.

    Example:
        >>> translation = zoo.load("multi30k-en-de")  # doctest: +SKIP
        >>> translation.predict(["Two dogs are playing."])  # doctest: +SKIP
    """

    def __init__(self, trained: Trained) -> None:
        self._translate = translator(trained)

    def __call__(self, sentences: str | Sequence[str]) -> list[str]:
        """The translation of each sentence; of one string, a list of one."""
        if isinstance(sentences, str):
            sentences = [sentences]
        return [made.text for made in self._translate(sentences)]

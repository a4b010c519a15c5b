"""Measure and use a trained model. Keras already runs."""

from __future__ import annotations

import time
from typing import Any

from zoo.trained import Trained
from zoo.translation import data, metrics
from zoo.translation.config import Config
from zoo.translation.train import Settings, subwords_of
from zoo.translation.translate import BEAM, Translator

TrainedTranslation = Trained[Settings, Config, data.Corpus]


def translator(
    trained: TrainedTranslation, beam: int = BEAM, length_penalty: float = 1.0
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
    trained: TrainedTranslation,
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

"""Train a recogniser. Keras runs already, on the run's backend."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from keras_gru.resume import seed_everything
from zoo.files import write_text
from zoo.presets.pretrained import load_initial_weights
from zoo.speech.augment import Spoken
from zoo.speech.batches import Batches, held_out, statistics
from zoo.speech.config import OBJECTIVE, Config
from zoo.speech.evaluation import recognise
from zoo.speech.features import Features
from zoo.speech.model import build, loss
from zoo.training.data import forget_shapes
from zoo.training.fit import fit
from zoo.training.optimizers import adamw, decay_over
from zoo.training.runs import Run


def train(run: Run) -> None:
    """Train to the end, from the start or from the run's newest checkpoint."""
    config: Config = run.config
    corpus = run.source.load()
    split = corpus.split
    features = (
        Features.of_run(config, run.extras)
        if run.extras
        else statistics(split.train, config)
    )
    batches = Batches(split.train, features, config, run.seed)
    batches.require_one_batch()
    with run.begin(config, features.extras(), corpus) as result:
        print(
            f"{corpus.name}, {config.task}: {len(split.train):,} recordings train, "
            f"{len(split.validation):,} validate, {len(split.test):,} test; "
            f"{run.described()}"
        )
        seed_everything(run.seed)
        # First, so that the seed gives the same initial weights to every start.
        model = build(config, seed=run.seed)
        portable = build(config)
        load_initial_weights(model, portable, run.pretrained, run.program)
        steps = config.epochs * batches.steps_per_epoch
        averaging = decay_over(config.averaging, steps)
        model.compile(adamw(config, steps, averaging), loss(config))
        forget_shapes(
            lambda rows, time: portable.predict_on_batch(batches.silence(rows, time)[0])
        )
        chosen_by = held_out(split, "validation", config)

        def figures(values: list[np.ndarray]) -> dict[str, float]:
            portable.set_weights(values)
            return recognise(portable, chosen_by, features, config)[1]

        validation = fit(run, model, portable, batches, figures, OBJECTIVE)
        result.update(validation.result())
        if run.samples:
            portable.set_weights(validation.best)
            spoken = held_out(split, "test", config)
            heard, found = recognise(portable, spoken, features, config)
            result.update({f"test_{name}": value for name, value in found.items()})
            write_text(run.folder.samples, mistakes(spoken, heard))


def mistakes(examples: Sequence[Spoken], heard: Sequence[Sequence[int]]) -> str:
    """What was said where something else was heard, a line each."""
    wrong = [
        f"said {' '.join(map(str, one.digits))}, heard "
        f"{' '.join(map(str, digits)) or 'nothing'} "
        f"({', '.join(sorted(set(one.speakers)))})\n"
        for one, digits in zip(examples, heard, strict=True)
        if list(one.digits) != digits
    ]
    head = f"{len(wrong)} of {len(examples)} test examples are wrong\n"
    return head + "".join(wrong)

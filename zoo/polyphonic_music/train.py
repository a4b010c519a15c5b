"""Train a music model. Keras runs already, on the run's backend."""

from __future__ import annotations

import numpy as np

from keras_gru.resume import seed_everything
from zoo.files import write_text
from zoo.polyphonic_music.batches import Batches
from zoo.polyphonic_music.composing import chords, compose
from zoo.polyphonic_music.config import KEYS, OBJECTIVE, Config, Predict
from zoo.polyphonic_music.data import PARTS
from zoo.polyphonic_music.evaluation import measure, prepare
from zoo.polyphonic_music.midi import write
from zoo.polyphonic_music.model import build, loss
from zoo.presets.pretrained import load_initial_weights
from zoo.training.fit import fit
from zoo.training.optimizers import adamw, decay_over
from zoo.training.runs import Run


def train(run: Run) -> None:
    """Train to the end, from the start or from the run's newest checkpoint."""
    config: Config = run.config
    data = run.source.load()
    batches = Batches(data.parts["train"], config, run.seed)
    batches.require_one_batch()
    with run.begin(config, {}, data) as result:
        print(
            f"{data.name}: "
            f"{', '.join(f'{len(data.parts[part]):,} pieces {part}' for part in PARTS)}"
            f"; {run.described()}"
        )
        seed_everything(run.seed)
        # First, so that the seed gives the same initial weights to every start.
        model = build(config, seed=run.seed)
        portable = build(config)
        load_initial_weights(model, portable, run.pretrained, run.program)
        steps = config.epochs * batches.steps_per_epoch
        averaging = decay_over(config.averaging, steps)
        model.compile(adamw(config, steps, averaging), loss)
        prepare(portable)

        def figures(values: list[np.ndarray]) -> dict[str, float]:
            portable.set_weights(values)
            return measure(portable, data.parts["validation"])

        validation = fit(run, model, portable, batches, figures, OBJECTIVE)
        result.update(validation.result())
        if run.samples:
            portable.set_weights(validation.best)
            found = measure(portable, data.parts["test"])
            result.update({f"test_{name}": value for name, value in found.items()})
            how = Predict()
            silence = np.zeros((0, KEYS), np.uint8)
            roll = compose(
                portable, config, silence, how.steps, how.temperature, run.seed
            )
            write(roll, how.seconds, run.folder.path / "sample.mid")
            write_text(run.folder.samples, "\n".join(chords(roll)) + "\n")

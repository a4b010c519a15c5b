"""Train a language model. Keras runs already, on the run's backend."""

from __future__ import annotations

from dataclasses import replace

import keras
import numpy as np

from keras_gru.resume import ExactResume, seed_everything
from zoo.files import write_text
from zoo.language_model import sampling
from zoo.language_model.config import OBJECTIVE, Config
from zoo.language_model.data import Streams
from zoo.language_model.evaluation import Text, measure
from zoo.language_model.model import build, reset_carried_state
from zoo.language_model.tokens import Tokens, learn, tokens_of
from zoo.language_model.use import generate
from zoo.presets.pretrained import load_initial_weights
from zoo.training.fit import fit
from zoo.training.optimizers import adamw
from zoo.training.runs import Run


def train(run: Run) -> None:
    """Train to the end, from the start or from the run's newest checkpoint."""
    corpus = run.source.load()
    tokens = tokens_of(run.extras) if run.extras else learn(run.config, corpus)
    config: Config = replace(run.config, vocabulary_size=len(tokens))
    ids = tokens.encode(corpus.train)
    streams = Streams(ids, config.batch_size, config.timesteps, run.seed)
    streams.require_one_batch()
    held_out = Text.of(corpus.validation, tokens)
    with run.begin(config, tokens.extras(), corpus) as result:
        print(
            f"{corpus.name}: {len(corpus.text):,} characters, vocabulary of "
            f"{len(tokens)} ({config.tokens}); {run.described()}"
        )
        seed_everything(run.seed)
        # First, so that the seed gives the same initial weights to every start.
        model = build(config, config.batch_size, run.seed)
        evaluation = build(config, config.evaluation_streams)
        portable = build(config)
        load_initial_weights(model, portable, run.pretrained, run.program)
        model.compile(
            adamw(config, config.epochs * streams.steps_per_epoch),
            keras.losses.SparseCategoricalCrossentropy(from_logits=True),
        )

        def figures(values: list[np.ndarray]) -> dict[str, float]:
            evaluation.set_weights(values)
            return measure(evaluation, held_out, config)

        validation = fit(
            run,
            model,
            portable,
            streams,
            figures,
            OBJECTIVE,
            # A loss per token becomes one per character, as validation has it.
            loss_scale=len(ids) / len(corpus.train),
            before=lambda resume: [NewText(streams, resume)],
        )
        result.update(validation.result())
        if run.samples:
            text = samples(config, tokens, validation.best, run.seed)
            write_text(run.folder.samples, text)
            print("\n" + text)


class NewText(keras.callbacks.Callback):
    """Zeroes the carried state where the text begins anew, at another place."""

    def __init__(self, streams: Streams, resume: ExactResume) -> None:
        super().__init__()
        self.streams = streams
        self.resume = resume

    def on_train_batch_begin(self, batch: int, logs: object = None) -> None:
        if self.streams.begins(self.resume.step(batch)):
            reset_carried_state(self.model)


def samples(config: Config, tokens: Tokens, values: list[np.ndarray], seed: int) -> str:
    """Some texts of a model, with lines between them."""
    model = build(config, batch_size=1)
    model.set_weights(values)
    # They begin after a new line, or after the first character that is known.
    known = tokens.extras().get("vocabulary", "\n")
    prompt = "\n" if "\n" in known else known[0]
    drawn = []
    for number in range(sampling.SAMPLES):
        how = sampling.Sampling(
            length=sampling.SAMPLE_LENGTH, top_k=40, seed=seed + number
        )
        drawn.append("".join(generate(model, tokens, prompt, how)))
    return f"\n{'-' * 72}\n".join(drawn) + "\n"

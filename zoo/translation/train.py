"""Train a translation model. Keras runs already, on the run's backend."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from keras_gru.resume import seed_everything
from zoo.files import write_text
from zoo.presets.pretrained import load_initial_weights
from zoo.training.data import forget_shapes
from zoo.training.fit import fit
from zoo.training.optimizers import adamw
from zoo.training.runs import Run
from zoo.translation.config import OBJECTIVE, Config, Search
from zoo.translation.data import Buckets, Pair, buckets_of, ends
from zoo.translation.evaluation import (
    bleu_and_chrf,
    mean_nats,
    smoothed_cross_entropy,
)
from zoo.translation.model import build
from zoo.translation.subwords import Subwords
from zoo.translation.translate import Translate

SAMPLES = 10


def train(run: Run) -> None:
    """Train to the end, from the start or from the run's newest checkpoint."""
    corpus = run.source.load()
    if run.extras:
        subwords = Subwords.from_json(str(run.extras["subwords"]))
    else:
        lines = (line for pair in corpus.splits["train"] for line in pair)
        subwords = Subwords.learn(lines, run.config.vocabulary)
    config: Config = replace(run.config, vocabulary_size=len(subwords))
    buckets, notes = buckets_of(corpus, subwords, config, run.seed)
    held_out = corpus.splits["validation"]
    with run.begin(config, {"subwords": subwords.to_json()}, corpus) as result:
        sentences = f"{corpus.name}: {len(corpus.splits['train']):,} pairs"
        about = [f"{sentences}, {len(subwords):,} subwords", *corpus.notes, *notes]
        print("; ".join([*about, run.described()]))
        seed_everything(run.seed)
        # First, so that the seed gives the same initial weights to every start.
        model = build(config, run.seed)
        portable = build(config)
        load_initial_weights(model, portable, run.pretrained, run.program)
        model.compile(
            adamw(config, config.epochs * buckets.steps_per_epoch, config.averaging),
            smoothed_cross_entropy(config.label_smoothing),
        )
        sources, references = map(list, zip(*held_out, strict=True))
        greedy = Translate(portable, config, subwords, Search(beam=1))
        true = Buckets(
            subwords.encode(sources),
            subwords.encode(references),
            tokens=2 * config.batch_tokens,
            pad_to=config.pad_to,
        )
        forget_shapes(
            lambda *shape: portable.predict_on_batch((ends(*shape), ends(*shape)))
        )

        def figures(values: list[np.ndarray]) -> dict[str, float]:
            """BLEU of greedy translations, and nats per subword of the true ones."""
            portable.set_weights(values)
            found = [made.text for made in greedy(sources)]
            return {
                "bleu": bleu_and_chrf(found, references)["bleu"],
                "nats": mean_nats(portable, true),
            }

        validation = fit(run, model, portable, buckets, figures, OBJECTIVE)
        result.update(validation.result())
        if run.samples:
            text = samples(config, subwords, validation.best, held_out[:SAMPLES])
            write_text(run.folder.samples, text)
            print("\n" + text)


def samples(
    config: Config, subwords: Subwords, values: list[np.ndarray], pairs: list[Pair]
) -> str:
    """Some sentences, their true translations and a model's."""
    model = build(config)
    model.set_weights(values)
    made = Translate(model, config, subwords, Search())([source for source, _ in pairs])
    return "\n".join(
        f"source       {source}\nreference    {target}\ntranslation  {one.text}\n"
        for (source, target), one in zip(pairs, made, strict=True)
    )

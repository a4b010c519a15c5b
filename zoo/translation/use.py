"""Measure and use a trained translation model. Keras runs already."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from typing import Any

import keras

from zoo.errors import ZooError
from zoo.presets.pretrained import Pretrained
from zoo.presets.saved import Saved
from zoo.training.plots import picture
from zoo.translation.config import Config, Predict, Search
from zoo.translation.data import LONGEST_LINE, Source, sentence
from zoo.translation.evaluation import accuracy, bleu_and_chrf
from zoo.translation.model import build, encoder_model, step_model
from zoo.translation.subwords import Subwords
from zoo.translation.translate import Translate, Translation

# Lines that are read before the first are translated.
LINES_AT_ONCE = 256


class Translator(Pretrained):
    """Translates sentences.

    Example:
        >>> from zoo.translation.use import Translator
        >>> translator = Translator.from_preset("multi30k-en-de")
        >>> translator.predict("Two dogs are playing.")  # doctest: +SKIP
        ['Zwei Hunde spielen.']
    """

    program = "translation"

    def __init__(self, saved: Saved, model: keras.Model) -> None:
        super().__init__(saved, model)
        self.subwords = Subwords.from_json(str(saved.extras.get("subwords")))
        self._compiled: dict[Search, Translate] = {}

    @staticmethod
    def build(config: Config) -> keras.Model:
        return build(config)

    def onnx_models(self) -> dict[str, keras.Model]:
        """The model of training, and the two that translate, a subword a call."""
        encoder = encoder_model(self.model, self.config)
        step = step_model(self.model, self.config, Search().beam)
        states = [f"state_{one}" for one in range(1, self.config.decoder_layers + 1)]
        read = ["values", "keys", "mask", *states]
        memory = dict(zip(read, encoder.output, strict=True))
        best, ids, _, *after = step.output  # without the attention's weights
        chosen = {"log_probabilities": best, "ids": ids}
        chosen |= {f"new_{one}": new for one, new in zip(states, after, strict=True)}
        return {
            "": keras.Model(self.model.input, {"logits": self.model.output}),
            "encoder": keras.Model(encoder.input, memory),
            "step": keras.Model(step.input, chosen),
        }

    def predict(self, sentences: str | Sequence[str], **options: Any) -> list[str]:
        """The translation of each sentence; of one string, a list of one.

        Args:
            sentences: an empty one stays empty.
            options: those of `Search`.

        Raises:
            ZooError: an option is out of its range.
        """
        if isinstance(sentences, str):
            sentences = [sentences]
        made = self.translate(sentences, Search(**options))
        return [translation.text for translation in made]

    def translate(self, sentences: Sequence[str], how: Search) -> list[Translation]:
        """As `predict`, with scores and attention."""
        if how not in self._compiled:
            translate = Translate(self.model, self.config, self.subwords, how)
            self._compiled[how] = translate
        return self._compiled[how](sentences)

    def evaluate(
        self, *, split: str = "test", on: Source | None = None, **options: Any
    ) -> dict[str, Any]:
        """Translate held-out sentences of the data that it was trained on, and compare.

        Args:
            split: "test" or "validation".
            on: other sentences than those of the training.
            options: those of `Search`.

        Returns:
            bleu, chrf (0 to 100), signature, accuracy (of whole sentences, 0 to 1),
            dataset, split, beam, sentences, seconds (of translating).

        Raises:
            ZooError: the data cannot be had, or have changed.
        """
        corpus, how = self.saved.load_data(on), Search(**options)
        sources, references = zip(*corpus.splits[split], strict=True)
        begun = time.perf_counter()
        found = [made.text for made in self.translate(sources, how)]
        return {
            **bleu_and_chrf(found, references),
            "accuracy": accuracy(found, references),
            "dataset": corpus.name,
            "split": corpus.split_names[split],
            "beam": how.beam,
            "sentences": len(found),
            "seconds": round(time.perf_counter() - begun, 3),
        }


PRETRAINED = Translator


# The command line.


def told(figures: dict[str, Any]) -> str:
    """Figures of `evaluate` in words."""
    return (
        f"{figures['dataset']} {figures['split']}: BLEU {figures['bleu']:.2f}, "
        f"chrF {figures['chrf']:.2f}, {figures['accuracy']:.1%} of "
        f"{figures['sentences']:,} sentences exact, beam {figures['beam']}, "
        f"{figures['seconds']:.1f} s\n{figures['signature']}"
    )


def predict(saved: Saved, options: Predict, as_json: bool) -> dict[str, Any] | None:
    """What ``zoo predict`` does: write translations, or return them as JSON."""
    translator = Translator.from_saved(saved)
    how = Search(options.beam, options.length_penalty)
    begun = time.perf_counter()
    found: list[Translation] = []
    drawn = options.attention is None
    lines = _lines()
    # On a terminal each line is answered at once.
    while batch := list(islice(lines, 1 if sys.stdin.isatty() else LINES_AT_ONCE)):
        made = translator.translate(batch, how)
        if not drawn and (shown := next((one for one in made if one.pieces), None)):
            draw_attention(shown, Path(str(options.attention)))
            drawn = True
        if as_json:
            found += made
        else:
            print(*(one.text for one in made), sep="\n", flush=True)
    if not drawn:
        raise ZooError(
            f"--attention {options.attention}: standard input has no sentence"
        )
    if not as_json:
        return None
    return {
        "translations": [
            {"source": one.source, "translation": one.text, "score": one.score}
            for one in found
        ],
        "beam": options.beam,
        "seconds": round(time.perf_counter() - begun, 3),
    }


def _lines() -> Iterator[str]:
    """Sentences of standard input."""
    for number, line in enumerate(iter(sys.stdin.buffer.readline, b""), 1):
        try:
            text = sentence(line.decode("utf-8-sig" if number == 1 else "utf-8"))
        except UnicodeDecodeError as error:
            raise ZooError(
                f"standard input is not UTF-8: line {number}, byte {error.start} is "
                f"0x{error.object[error.start]:02x}; convert it first"
            ) from error
        if len(text) > LONGEST_LINE:
            print(
                f"note: line {number} has {len(text):,} characters; only the first "
                f"{LONGEST_LINE:,} are translated",
                file=sys.stderr,
            )
        yield text[:LONGEST_LINE]


def draw_attention(translation: Translation, path: Path) -> None:
    """Draw the weights of the attention, target down and source across, as a PNG."""
    rows, columns = translation.attention.shape
    # "$" begins a formula for matplotlib.
    source, target = (
        [piece.replace("$", r"\$") for piece in pieces]
        for pieces in (translation.source_pieces, translation.pieces)
    )
    with picture(path, (2.5 + 0.32 * columns, 2.0 + 0.3 * rows)) as figure:
        axes = figure.add_subplot()
        image = axes.imshow(translation.attention, cmap="Blues", vmin=0.0, vmax=1.0)
        axes.set_xticks(
            range(columns), source, rotation=60, ha="right", rotation_mode="anchor"
        )
        axes.set_yticks(range(rows), target)
        axes.set_xlabel("source")
        axes.set_ylabel("translation")
        figure.colorbar(image, label="attention", shrink=0.8)

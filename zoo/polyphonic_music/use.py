"""Measure a trained music model and compose with it. Keras runs already."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import keras
import numpy as np

from zoo.errors import ZooError
from zoo.polyphonic_music import midi, plots
from zoo.polyphonic_music.composing import chords, compose, notes
from zoo.polyphonic_music.config import KEYS, Config, Predict
from zoo.polyphonic_music.data import Part, Source
from zoo.polyphonic_music.evaluation import measure, prepare
from zoo.polyphonic_music.model import build
from zoo.presets.pretrained import Pretrained
from zoo.presets.saved import Saved
from zoo.training.plots import require_format

PRIME = 16  # steps of a piece that are read


@dataclass(frozen=True)
class Composed:
    """Music that a model made.

    Attributes:
        roll: (time, 88), 1 where a key sounds.
        given: how many of the first steps were read, not composed.
    """

    roll: np.ndarray
    given: int

    @property
    def notes(self) -> list[list[int]]:
        """The MIDI numbers that sound, of each step."""
        return notes(self.roll)

    def write(self, path: str | Path, seconds: float = 0.4) -> None:
        """Write a MIDI file, `seconds` a step, 0.01 to 10."""
        Predict(seconds=float(seconds))  # checked as what is typed is
        midi.write(self.roll, seconds, Path(path))


class Composer(Pretrained):
    """Composes for the keys of a piano.

    Example:
        >>> from zoo.polyphonic_music.use import Composer
        >>> composer = Composer.from_preset("jsb-chorales")
        >>> composer.predict(steps=64, seed=1).write("a.mid")  # doctest: +SKIP
    """

    program = "polyphonic_music"

    def __init__(self, saved: Saved, model: keras.Model) -> None:
        super().__init__(saved, model)
        prepare(model)

    @staticmethod
    def build(config: Config) -> keras.Model:
        return build(config)

    def predict(
        self,
        prime: np.ndarray | None = None,
        *,
        steps: int = 96,
        temperature: float = 1.0,
        seed: int = 0,
    ) -> Composed:
        """Compose, from silence or from what was played before.

        Args:
            prime: (time, 88), 1 where a key sounds; None: silence.
            steps: how many are composed.
            temperature: divides the logits; above 0.
            seed: decides what is drawn.

        Raises:
            ZooError: `prime` has another shape or other values; `steps` or
                `temperature` is not above 0.
        """
        prime = np.zeros((0, KEYS)) if prime is None else np.asarray(prime)
        if (
            prime.ndim != 2
            or prime.shape[1] != KEYS
            or not np.isin(prime, (0, 1)).all()
        ):
            raise ZooError(
                f"prime has shape {prime.shape}; expected (time, {KEYS}) of 0 and 1"
            )
        Predict(steps=steps, temperature=float(temperature), seed=seed)
        roll = compose(self.model, self.config, prime, steps, temperature, seed)
        return Composed(roll, len(prime))

    def evaluate(
        self, *, split: Part = "test", on: Source | None = None, **options: Any
    ) -> dict[str, Any]:
        """Measure the likelihood of all pieces of a part.

        Args:
            split: "test", or "validation", which chose the weights.
            on: other pieces than those of the training.

        Returns:
            nats, nats_after_first (see `zoo.polyphonic_music.evaluation.measure`);
            dataset, split, pieces, steps, seconds.

        Raises:
            ZooError: the data cannot be had, or have changed.
        """
        data = self.saved.load_data(on)
        pieces = data.parts[split]
        begun = time.perf_counter()
        figures = measure(self.model, pieces)
        return {
            **figures,
            "dataset": data.name,
            "split": split,
            "pieces": len(pieces),
            "steps": sum(len(piece) for piece in pieces),
            "seconds": round(time.perf_counter() - begun, 3),
        }


PRETRAINED = Composer


# The command line.


def told(figures: dict[str, Any]) -> str:
    """Figures of `evaluate`, in a line."""
    return (
        f"{figures['dataset']} {figures['split']}: {figures['nats']:.4f} nats a step, "
        f"{figures['nats_after_first']:.4f} without the first step of each piece; "
        f"{figures['pieces']:,} pieces, {figures['steps']:,} steps, "
        f"{figures['seconds']:.1f} s"
    )


def predict(saved: Saved, options: Predict, as_json: bool) -> dict[str, Any] | None:
    """What ``zoo predict`` does: write a MIDI file, or return the notes."""
    if options.plot:
        require_format(Path(options.plot), "--plot")
    composer = Composer.from_saved(saved)
    composed = composer.predict(
        _beginning(saved, options),
        steps=options.steps,
        temperature=options.temperature,
        seed=options.seed,
    )
    if options.out:
        composed.write(options.out, options.seconds)
    if options.plot:
        plots.roll(composed.roll, composed.given, saved.name, Path(options.plot))
    if as_json:
        return {"notes": composed.notes, "given": composed.given}
    print(f"-> {options.out}" if options.out else "\n".join(chords(composed.roll)))
    return None


def _beginning(saved: Saved, options: Predict) -> np.ndarray | None:
    """The first steps of the piece that is asked for."""
    if options.piece is None:
        return None
    pieces = saved.load_data().parts["test"]
    if options.piece >= len(pieces):
        raise ZooError(
            f"--piece {options.piece}: the test part has {len(pieces)} pieces; "
            f"expected 0 to {len(pieces) - 1}"
        )
    return np.asarray(pieces[options.piece][: options.prime or PRIME])

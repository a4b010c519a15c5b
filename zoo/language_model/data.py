"""Texts as streams of characters: where they come from, how they are read."""

from __future__ import annotations

import hashlib
import sysconfig
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from zoo.config import Checked, File
from zoo.datasets import PublicFile, locate, read_text
from zoo.errors import ZooError
from zoo.language_model.config import Config

# Enough for a model to learn the language from, small enough for a minute of training.
STDLIB_CHARACTERS = 1_200_000
TRAIN_SHARE = 0.9

SHAKESPEARE = PublicFile(
    name="tinyshakespeare.txt",
    url=(
        "https://raw.githubusercontent.com/karpathy/char-rnn/"
        "master/data/tinyshakespeare/input.txt"
    ),
    sha256="86c4e6aa9db7c042ec79f339dcb96d42b0075e16b8fc2e86bf0ca57e2dc565ed",
    licence="public-domain text",
)

DATASETS = {
    "stdlib": "source text of Python's standard library, from the interpreter",
    "shakespeare": "tinyshakespeare, 1.1 M characters, nanoGPT's 90/10 split",
}
LICENCES = {
    "stdlib": "Python Software Foundation License 2.0",
    "shakespeare": SHAKESPEARE.licence,
}
DEFAULT_DATASET = "stdlib"


@dataclass(frozen=True)
class Corpus:
    """A text and its split: the first 90 % to train on, the rest to validate.

    Attributes:
        name: the dataset's name, or the path of a file.
        text: all of it.
    """

    name: str
    text: str

    @property
    def train(self) -> str:
        return self.text[: self._split]

    @property
    def validation(self) -> str:
        return self.text[self._split :]

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.text.encode()).hexdigest()

    @property
    def _split(self) -> int:
        return int(len(self.text) * TRAIN_SHARE)


@dataclass(frozen=True)
class Source(Checked):
    """What a language model is trained on.

    Attributes:
        dataset: a text; by default stdlib, which needs no network.
        text: a UTF-8 file to train on, in the place of a dataset.
    """

    dataset: Literal["stdlib", "shakespeare"] | None = None
    text: File | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.text and self.dataset:
            raise ZooError("--text and --dataset exclude each other: give one")
        if not self.text and not self.dataset:
            object.__setattr__(self, "dataset", DEFAULT_DATASET)

    @property
    def licence(self) -> str:
        return LICENCES.get(self.dataset or "", "not stated: a file of yours")

    def load(self) -> Corpus:
        """Load the text."""
        if self.text:
            return Corpus(self.text, read_text(Path(self.text)))
        if self.dataset == "stdlib":
            return Corpus("stdlib", standard_library())
        return Corpus("shakespeare", read_text(locate(SHAKESPEARE)))


def label(config: Config, source: Source) -> str:
    """What was learnt from, for the name of a run folder."""
    name = source.dataset or Path(str(source.text)).stem
    told = {config.tokens: "char", config.layer: "gru"}  # value -> default
    return "-".join([name, *(word for word, usual in told.items() if word != usual)])


def standard_library(folder: Path | None = None) -> str:
    """Join source files of Python's standard library into one text.

    Taken are the modules in the library's own folder, not in its packages, whose names
    begin with a letter, in the order of their names, each as a whole, until there are
    `STDLIB_CHARACTERS`. So the same interpreter gives the same text everywhere, and
    another version of Python gives another text.
    """
    folder = folder or Path(sysconfig.get_path("stdlib"))
    parts: list[str] = []
    total = 0
    for path in sorted(folder.glob("[a-z]*.py"), key=lambda path: path.name):
        if total >= STDLIB_CHARACTERS:
            break
        parts.append(read_text(path, may_be_empty=True))
        total += len(parts[-1])
    if total == 0:
        raise ZooError(
            f"this Python keeps no source text of its library in {folder}: "
            f"train on a file with --text, or on --dataset shakespeare"
        )
    return "".join(parts)


@dataclass(frozen=True)
class Streams:
    """A text cut into `batch_size` streams that are read side by side.

    Batch after batch, row b goes on where row b of the batch before it stopped: that
    is what lets the model carry its state. Each epoch the text, closed to a ring,
    begins at another place, so that cuts fall elsewhere and no character is always
    left over. Everything is a function of (seed, step) and of nothing else.

    Attributes:
        ids: the text (tokens,).
        batch_size: rows.
        timesteps: columns.
        seed: decides where each epoch begins.
    """

    ids: np.ndarray
    batch_size: int
    timesteps: int
    seed: int

    @property
    def steps_per_pass(self) -> int:
        """Batches in one reading of the text."""
        return len(self.ids) // self.batch_size // self.timesteps

    @property
    def steps_per_epoch(self) -> int:
        return self.steps_per_pass

    def begins(self, step: int) -> bool:
        """Whether the rows of batch `step` do not go on from the batch before."""
        return step % self.steps_per_pass == 0

    def require_one_batch(self) -> None:
        """Raise where the text is too short."""
        needed = self.batch_size * self.timesteps
        if len(self.ids) < needed:
            raise ZooError(
                f"the text is shorter than one batch: its training part "
                f"({TRAIN_SHARE:.0%}) has {len(self.ids)} tokens, expected at "
                f"least {needed} ({self.batch_size} streams of {self.timesteps})"
            )

    def batch(self, step: int) -> tuple[np.ndarray, np.ndarray]:
        """Tokens and the tokens after them, both (batch, time)."""
        epoch, position = divmod(step, self.steps_per_pass)
        start = np.random.default_rng([self.seed, epoch]).integers(len(self.ids))
        rows = start + np.arange(self.batch_size) * (len(self.ids) // self.batch_size)
        columns = position * self.timesteps + np.arange(self.timesteps + 1)
        places = (rows[:, None] + columns) % len(self.ids)  # (batch, time + 1)
        characters = self.ids[places]
        return characters[:, :-1], characters[:, 1:]

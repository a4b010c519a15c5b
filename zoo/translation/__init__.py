"""Translation: a sentence in, a sentence in another language out."""

from __future__ import annotations

from zoo.config import Program
from zoo.translation.config import (
    OBJECTIVE,
    PARAMETERS,
    SIZES,
    Config,
    Evaluate,
    Predict,
)
from zoo.translation.data import DATASETS, Source, label

PROGRAM = Program(
    summary="a sentence into another language",
    config=Config,
    sizes=SIZES,
    parameters=PARAMETERS,
    source=Source,
    datasets={
        **DATASETS,
        "--source FILE --target FILE": "any two UTF-8 files, aligned line by line",
    },
    label=label,
    evaluate=Evaluate,
    predict=Predict,
    objective=OBJECTIVE,
    headline="bleu",
    times=dict.fromkeys(("source", "values", "keys", "mask"), "source_time"),
)

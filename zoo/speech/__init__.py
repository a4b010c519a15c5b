"""Speech: spoken digits, one by one (a classifier) or in strings (CTC)."""

from __future__ import annotations

from zoo.config import Program
from zoo.speech.config import OBJECTIVE, PARAMETERS, SIZES, Config, Evaluate, Predict
from zoo.speech.data import DATASETS, Source, label

PROGRAM = Program(
    summary="spoken digits: one (--task digits), or strings with CTC (--task strings)",
    config=Config,
    sizes=SIZES,
    parameters=PARAMETERS,
    source=Source,
    datasets=DATASETS,
    label=label,
    evaluate=Evaluate,
    predict=Predict,
    objective=OBJECTIVE,
    headline="wer",
)

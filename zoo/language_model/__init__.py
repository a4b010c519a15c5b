"""Language model: the next character of a text, from all that came before it."""

from __future__ import annotations

from zoo.config import Program
from zoo.language_model.config import OBJECTIVE, PARAMETERS, SIZES, Config
from zoo.language_model.data import DATASETS, Source, label
from zoo.language_model.sampling import Predict

PROGRAM = Program(
    summary="the next character of a text",
    config=Config,
    sizes=SIZES,
    parameters=PARAMETERS,
    source=Source,
    datasets={**DATASETS, "--text FILE": "any UTF-8 file, split 90/10"},
    label=label,
    predict=Predict,
    objective=OBJECTIVE,
    headline="nats",
)

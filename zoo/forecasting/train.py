"""Train a forecaster. Keras runs already, on the run's backend."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from keras_gru.resume import seed_everything
from zoo.files import write_text
from zoo.forecasting.baselines import baselines, measured
from zoo.forecasting.config import OBJECTIVE, Config
from zoo.forecasting.evaluation import figures_of, forecast_of, measure
from zoo.forecasting.model import build, loss
from zoo.forecasting.windows import PARTS, Batches, Scaler, Windows
from zoo.presets.pretrained import load_initial_weights
from zoo.training.fit import fit
from zoo.training.optimizers import adamw, decay_over
from zoo.training.runs import Run


def train(run: Run) -> None:
    """Train to the end, from the start or from the run's newest checkpoint."""
    data = run.source.load()
    scaler = Scaler.from_extras(run.extras) if run.extras else Scaler.of(data)
    scaler.require(data.table.columns)
    config: Config = replace(run.config, series=len(scaler.columns))
    windows = {part: Windows.of(data, part, scaler, config) for part in PARTS}
    batches = Batches(windows["train"], run.seed)
    batches.require_one_batch()
    with run.begin(config, scaler.extras(), data) as result:
        print(
            f"{data.name}: {config.series} series, "
            f"{', '.join(f'{len(windows[part]):,} windows {part}' for part in PARTS)}; "
            f"{run.described()}"
        )
        seed_everything(run.seed)
        # First, so that the seed gives the same initial weights to every start.
        model = build(config, seed=run.seed)
        portable = build(config)
        load_initial_weights(model, portable, run.pretrained, run.program)
        steps = config.epochs * batches.steps_per_epoch
        averaging = decay_over(config.averaging, steps)
        model.compile(adamw(config, steps, averaging), loss(config))
        forecast = forecast_of(portable)

        def figures(values: list[np.ndarray]) -> dict[str, float]:
            portable.set_weights(values)
            found = figures_of(measure(forecast, windows["validation"]), scaler)
            kind = "pinball" if config.head == "quantiles" else config.loss
            return {"loss": found[kind], **found}

        validation = fit(run, model, portable, batches, figures, OBJECTIVE)
        result.update(validation.result())
        if run.samples:
            portable.set_weights(validation.best)
            found = figures_of(measure(forecast, windows["test"]), scaler)
            naive = baselines(windows["train"], windows["validation"], data.season)
            beside, _ = measured(naive, windows["test"], scaler)
            result.update({f"test_{name}": one for name, one in found.items()})
            result.update({f"naive_{name}": one for name, one in beside.items()})
            told = beside_each_other({**found, **beside})
            write_text(run.folder.samples, told + "\n")
            print(told)


def beside_each_other(figures: dict[str, float]) -> str:
    """The model and the baselines, a line each."""
    lines = []
    for name in ("", "_last", "_seasonal", "_linear"):
        told = (f"{one} {figures[one + name]:.4f}" for one in ("mse", "mae", "rse"))
        title = name.removeprefix("_") or "the model"
        lines.append(f"{title:<10} {', '.join(told)}")
    return "\n".join(lines)

"""`run`: a whole sweep, from its folder to its report."""

from __future__ import annotations

import contextlib
import importlib.util
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from keras_gru.files import PARTIAL, write_json
from keras_gru.tuning import records, settings
from keras_gru.tuning.errors import SweepError, SweepFailed
from keras_gru.tuning.ledger import Ledger
from keras_gru.tuning.locks import lock
from keras_gru.tuning.pool import environment
from keras_gru.tuning.records import Record
from keras_gru.tuning.settings import Settings
from keras_gru.tuning.supervisor import Plan, Supervisor
from keras_gru.tuning.view import MODEL, View

if TYPE_CHECKING:
    import keras
    import keras_tuner

ENVIRONMENT = "state/environment.json"

# What the extra [tune] brings: module -> distribution.
NEEDED = {
    "keras_tuner": "keras-tuner",
    "six": "six",
    "cloudpickle": "cloudpickle",
    "matplotlib": "matplotlib",
    "tensorboard": "tensorboard",
}
NEEDED_BY_BAYESIAN = {"sklearn": "scikit-learn", "scipy": "scipy"}


@dataclass(frozen=True)
class Results:
    """What a sweep has found.

    Attributes:
        folder: all its files.
        trials: every trial, by its number, failed ones too.
        best: the best one that was completed.
    """

    folder: Path
    trials: list[Record]
    best: Record

    def model(self) -> keras.Model:
        """The best model, with the weights of its best epoch.

        Raises:
            SweepError: none was saved: the hypermodel builds no `keras.Model`, or a
                worker on another machine trained it.
        """
        import keras

        path = self.folder / MODEL
        if not path.is_file():
            raise SweepError(
                f"{path} was not saved: trial {self.best.trial_id} left no model here"
            )
        return keras.saving.load_model(path)


def run(
    hypermodel: keras_tuner.HyperModel | Callable[..., Any],
    *,
    objective: str | keras_tuner.Objective,
    out: str | Path,
    fit: Mapping[str, Any] | None = None,
    tuner: str = "random",
    trials: int = 20,
    workers: int = 1,
    epochs: int | None = None,
    seed: int = 0,
    budget: float | None = None,
    trial_timeout: float | None = None,
    max_failures: int = 3,
    max_parameters: int | None = None,
    stopping: str | None = None,
    resume: bool = False,
    about: Mapping[str, Any] | None = None,
    backend: str | None = None,
) -> Results:
    """Search the hyperparameters of a model; survive what kills a process.

    Trials run in processes of their own, which are restarted when they die and end
    with this one, with all that they have started. Killed as a whole, a sweep goes on
    with `resume`: no trial that ended is lost or run again.

    Args:
        hypermodel: a `keras_tuner.HyperModel`, or a function ``build(hp)`` that
            returns a compiled model. It is pickled; the attribute `trial` tells it
            which trial runs (`keras_gru.tuning.trials.Trial`).
        objective: the metric that chooses, such as ``"val_loss"``; a
            `keras_tuner.Objective` where the direction cannot be told by the name.
        out: folder of the sweep: ``trials.csv``, ``report.html``, PNGs,
            ``best.json``, ``best.keras``, ``tensorboard/``, logs and state.
        fit: keyword arguments of ``hypermodel.fit``, that is, of ``model.fit`` unless
            the hypermodel has another one.
        tuner: "random", "grid", "bayesian" or "hyperband".
        trials: how many are run at most.
        workers: how many are run at a time.
        epochs: of every trial; under "hyperband" the most that a trial is given, at
            least 3.
        seed: decides the proposals and, with its number, the seed of every trial.
        budget: minutes for all of it; running trials are broken off then, and redone
            at a resume.
        trial_timeout: seconds after which a trial counts as failed.
        max_failures: so many failed trials in a row end the sweep.
        max_parameters: a model with more parameters is not trained: its trial is
            recorded as failed, and does not count among the failures in a row. So
            models of equal cost are compared, where size would win otherwise.
        stopping: "median" ends a trial whose best objective so far is worse than the
            median of what three others or more had reached at the same epoch (the
            rule of Google Vizier, Golovin et al. 2017). Needs a hypermodel that trains
            with the callbacks it is given. Which trials are stopped depends on which
            have ended before; None trains every trial to its end.
        resume: go on with the sweep in `out`.
        about: what is swept, for the report; part of what a resume checks.
        backend: of Keras in the workers; by default the one that runs here.

    Returns:
        The trials and the best of them.

    Raises:
        SweepError: an argument, the folder or the installation is wrong.
        SweepFailed: the sweep was hopeless; it says why, and `out` holds what was
            reached.

    Example:
        >>> import keras_tuner, tempfile
        >>> from keras_gru import tuning
        >>> class Parabola(keras_tuner.HyperModel):
        ...     def build(self, hp):
        ...         hp.Float("x", -1.0, 1.0)
        ...     def fit(self, hp, model, **kwargs):
        ...         return (hp.get("x") - 0.5) ** 2
        >>> found = tuning.run(
        ...     Parabola(),
        ...     objective=keras_tuner.Objective("height", "min"),
        ...     out=tempfile.mkdtemp(),
        ...     trials=4,
        ... )
        >>> [trial.status for trial in found.trials], found.best.metric < 0.5
        (['COMPLETED', 'COMPLETED', 'COMPLETED', 'COMPLETED'], True)
    """
    from keras_gru.tuning import payload

    require(tuner)
    folder = Path(out)
    name, direction = objective_of(objective)
    sweep = Settings(
        tuner,
        trials,
        seed,
        name,
        direction,
        epochs,
        max_parameters,
        stopping,
        dict(about or _about(hypermodel)),
    )
    sweep.check()
    _positive("workers", workers)
    _positive("max_failures", max_failures)
    for option, value in (("budget", budget), ("trial_timeout", trial_timeout)):
        if value is not None:
            _positive(option, value)
    plan = Plan(
        workers=workers,
        budget=None if budget is None else budget * 60.0,
        trial_timeout=trial_timeout,
        failures=max_failures,
        environment=environment(backend or _backend(), workers),
    )
    if not resume:
        settings.begin(folder, sweep)
    settings.read(folder)  # before a lock would make a folder that is not there
    with lock(folder / "state" / "sweep.lock"):
        if resume:
            settings.go_on(folder, sweep)
        for partial in folder.rglob(f"{PARTIAL}*"):  # of a process that was killed
            partial.unlink(missing_ok=True)
        digest = payload.save(folder, hypermodel, fit or {})
        write_json(folder / ENVIRONMENT, plan.environment)
        return _supervise(Ledger(folder, sweep), digest, plan)


def require(tuner: str = "random") -> None:
    """Check that the packages of the extra ``[tune]`` are there."""
    needed = NEEDED | (NEEDED_BY_BAYESIAN if tuner == "bayesian" else {})
    missing = [
        distribution
        for module, distribution in needed.items()
        if importlib.util.find_spec(module) is None
    ]
    if missing:
        raise SweepError(
            f"sweeps need {', '.join(missing)}: pip install 'keras_gru[tune]'"
        )


def _supervise(ledger: Ledger, digest: str, plan: Plan) -> Results:
    """Run the trials; keep the tables and pictures up to date."""
    folder, sweep = ledger.folder, ledger.settings
    view = View(folder, sweep, plan)
    supervisor = Supervisor(ledger, digest, plan, view.update)
    reason = "stopped from outside"
    try:
        with _terminated():
            reason = supervisor.run()
    finally:
        view.finish(ledger.records, reason)
    found = [record for _, record in sorted(ledger.records.items())]
    best = records.best(found, sweep.direction)
    if reason or best is None:
        reason = reason or "no trial was completed"
        raise SweepFailed(f"the sweep in {folder} ended early: {reason}")
    return Results(folder, found, best)


@contextlib.contextmanager
def _terminated() -> Iterator[None]:
    """Let SIGTERM end a sweep as Ctrl-C does: children ended, tables written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number: int, frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def objective_of(objective: Any) -> tuple[str, str]:
    """Name and direction; the direction of a metric that Keras knows is known."""
    from keras_tuner.src.engine.objective import Objective, create_objective

    try:
        found = create_objective(objective)
    except ValueError as error:
        raise SweepError(
            f"objective={objective!r}: its direction is unknown; expected "
            f"keras_tuner.Objective({objective!r}, 'min' or 'max')"
        ) from error
    if type(found) is not Objective:
        raise SweepError(f"objective={objective!r}: expected the name of one metric")
    return str(found.name), str(found.direction)


def _about(hypermodel: Any) -> dict[str, Any]:
    name = getattr(hypermodel, "name", None) or getattr(hypermodel, "__name__", None)
    return {"what": name or type(hypermodel).__name__}


def _backend() -> str:
    import keras

    return str(keras.backend.backend())


def _positive(name: str, value: float) -> None:
    if not value > 0:
        raise SweepError(f"{name}={value!r}: expected more than 0")

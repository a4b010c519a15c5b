"""`run`: a whole sweep, from its folder to its report."""

from __future__ import annotations

import contextlib
import functools
import signal
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import keras
import keras_tuner
from filelock import FileLock, Timeout

from keras_gru.files import PARTIAL, write_json
from keras_gru.tuning import payload, settings
from keras_gru.tuning.errors import SweepError, SweepFailed, checked, one_line
from keras_gru.tuning.ledger import Ledger
from keras_gru.tuning.pool import environment
from keras_gru.tuning.records import Record
from keras_gru.tuning.settings import Plan, Settings
from keras_gru.tuning.supervisor import Supervisor
from keras_gru.tuning.view import BEST, View

if TYPE_CHECKING:
    from ray.tune.schedulers import TrialScheduler


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
            SweepError: the hypermodel builds no `keras.Model`, or Keras loads none.
        """
        path = self.folder / BEST
        if not path.is_file():
            raise SweepError(f"{path} was not saved: its trial left no model here")
        try:
            return keras.saving.load_model(path)
        except Exception as error:  # a damaged or hostile file raises anything in Keras
            raise SweepError(f"{path}: {one_line(error)}") from error


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
    engine: str = "processes",
    address: str | None = None,
    scheduler: TrialScheduler | None = None,
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
            ``best.json``, ``best.keras``, logs and state.
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
        max_parameters: a model with more is not trained, and its trial recorded as
            failed: models of equal cost are compared, where size would win otherwise.
        stopping: "median" (Golovin et al. 2017) or "asha" (Li et al. 2020) ends trials
            that are behind, on Ray, where the hypermodel trains with the callbacks
            that it is given. tuner="hyperband" does so by itself.
        resume: go on with the sweep in `out`.
        about: what is swept, for the report; part of what a resume checks.
        backend: of Keras in the workers; by default the one that runs here.
        engine: "processes" of this machine, or "ray", which has clusters: `out` must
            be on a file system that its machines share. A trial whose machine is lost
            goes on elsewhere, a Keras model from its last epoch. `trial_timeout` ends
            a trial there after an epoch, with what it has reached.
        address: of a Ray cluster, such as "auto"; None starts Ray on this machine.
        scheduler: one of Ray's own, such as `PopulationBasedTraining`.

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
    folder = Path(out)
    name, direction = _objective(objective)
    named = getattr(hypermodel, "__name__", type(hypermodel).__name__)
    sweep = checked(
        Settings,
        tuner=tuner,
        trials=trials,
        seed=seed,
        objective=name,
        direction=direction,
        about=dict(about or {"what": named}),
        epochs=epochs,
        max_parameters=max_parameters,
        stopping=stopping,
    )
    plan = checked(
        Plan,
        workers=workers,
        max_failures=max_failures,
        budget=budget,
        trial_timeout=trial_timeout,
        engine=engine,
    )
    of_ray = {"address": address, "scheduler": scheduler, "stopping": stopping}
    for option, value in of_ray.items():
        if value is not None and engine != "ray":
            raise SweepError(f"{option}={value!r} is Ray's: add engine='ray'")
    variables = environment(backend or keras.backend.backend(), workers)
    if not resume:
        settings.begin(folder, sweep)
    settings.read(folder)  # before a lock would make a folder that is not there
    try:
        with FileLock(folder / "state" / "sweep.lock", timeout=0):
            if resume:
                settings.go_on(folder, sweep)
            for partial in folder.rglob(f"{PARTIAL}*"):  # of a process that was killed
                partial.unlink(missing_ok=True)
            write_json(folder / settings.ENVIRONMENT, variables)
            digest = payload.save(folder, hypermodel, fit or {})
            ledger = Ledger(folder, sweep)
            view = View(ledger)
            if engine == "processes":
                workers_of = Supervisor(ledger, plan, view.update, digest, variables)
                search = workers_of.run
            else:
                loaded = payload.load(folder, digest=digest)
                common = (ledger, plan, view.update, *loaded, variables)
                search = _on_ray(*common, address, scheduler)
            reason = "stopped from outside"
            try:
                with _terminated():
                    reason = search()
            finally:
                view.finish(reason)
    except Timeout as error:
        raise SweepError(f"{folder} is in use: another sweep works there") from error
    if reason or ledger.best is None:
        reason = reason or ledger.outcome()
        raise SweepFailed(f"the sweep in {folder} ended early: {reason}")
    return Results(folder, ledger.trials, ledger.best)


def _on_ray(*arguments: Any) -> Callable[[], str]:
    try:
        from keras_gru.tuning.on_ray import search
    except ModuleNotFoundError as error:
        raise SweepError(
            f"engine='ray' needs {error.name}: pip install 'keras_gru[ray]'"
        ) from error
    return functools.partial(search, *arguments)


@contextlib.contextmanager
def _terminated() -> Iterator[None]:
    """Let SIGTERM end a sweep as Ctrl-C does: children ended, tables written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _objective(objective: Any) -> tuple[str, str]:
    """Name and direction; the direction of a metric that Keras knows is known."""
    try:
        oracle = keras_tuner.oracles.RandomSearchOracle(objective)
    except ValueError as error:
        raise SweepError(
            f"objective={objective!r}: its direction is unknown; expected "
            f"keras_tuner.Objective({objective!r}, 'min' or 'max')"
        ) from error
    found = oracle.objective
    if type(found) is not keras_tuner.Objective:
        raise SweepError(f"objective={objective!r}: expected the name of one metric")
    return str(found.name), str(found.direction)

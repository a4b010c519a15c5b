"""Begin a run or go on with it, and train it to its end: the same for all programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from zoo import backend as backends
from zoo import runs
from zoo.errors import ZooError, one_line
from zoo.files import write_text
from zoo.program import ConfigT, DataT, Program, Settings, SettingsT, Setup
from zoo.runs import RunFolder
from zoo.trained import as_stored, read_settings, require_same_data

if TYPE_CHECKING:
    from rich.console import Console

    from zoo.loop import Progress, Task


@dataclass(frozen=True)
class Bookkeeping:
    """What is kept of a training, and how often; nothing here changes the weights.

    Attributes:
        checkpoint_seconds: the most work that a kill may cost.
        record: also append the row to the table of the project's checkout.
    """

    checkpoint_seconds: float = 15.0
    record: bool = False

    def tables(self, program: str) -> list[Path]:
        """Tables of runs besides the run folder's own."""
        return [runs.checkout_table(program)] if self.record else []


def default_folder(program: str, settings: Settings) -> Path:
    """Where a run goes that was given no --out."""
    return Path("runs") / (
        f"{program}-{settings.source}-{settings.size}-{settings.variant}"
        f"-{settings.seed}"
    )


def train(
    program: Program[SettingsT, ConfigT, DataT],
    settings: SettingsT,
    how: Bookkeeping,
    *,
    out: Path | None = None,
    resume: bool = False,
    typed: set[str] = frozenset(),  # type: ignore[assignment]
) -> RunFolder:
    """Begin a run, or go on with one, and train it to its end.

    Args:
        program: what to train.
        settings: all of them; a resumed run takes those that were not typed from
            its folder.
        how: checkpoints and tables.
        out: the run folder; by default, made from the settings.
        resume: go on with the run in `out`.
        typed: names of settings that must be the run's own.

    Raises:
        ZooError: a setting, the data or the folder is wrong; a new folder is not left
            behind then.
    """
    out = out or default_folder(program.name, settings)
    how.tables(program.name)  # --record outside a checkout is told before the training
    if resume:
        return _resume(program, out, settings, typed, how)
    return _start(program, out, settings, how)


def _start(
    program: Program[SettingsT, ConfigT, DataT],
    out: Path,
    settings: SettingsT,
    how: Bookkeeping,
) -> RunFolder:
    data = program.load(settings)
    extras = program.extras(settings, data)
    setup = Setup(settings, program.config(settings, extras), data, extras)
    program.check(setup)
    run = RunFolder.create(
        out,
        {
            "program": program.name,
            "settings": asdict(settings),
            "config": asdict(setup.config),  # type: ignore[call-overload]
            "data": {"name": data.name, "sha256": data.sha256},
            "extras": extras,
            "code": runs.code(settings.backend),
        },
    )
    try:
        _import_keras(settings)
    except ZooError:
        run.discard()
        raise
    return _train(program, run, setup, how)


def _resume(
    program: Program[SettingsT, ConfigT, DataT],
    out: Path,
    settings: SettingsT,
    typed: set[str],
    how: Bookkeeping,
) -> RunFolder:
    run, stored = RunFolder.open(out, program.name)
    before, config_before, extras, sha256 = read_settings(
        program, out / "settings.json", stored
    )
    now = {name: value for name, value in asdict(settings).items() if name in typed}
    if lines := runs.differing(asdict(before), now):
        raise ZooError(
            f"{out} was begun with other settings: {'; '.join(lines)}; resume with the "
            f"run's own, or train in another folder"
        )
    data = program.load(before)
    require_same_data(str(out), data.name, data.sha256, sha256)
    config = program.config(before, extras)
    changed = runs.differing(
        as_stored(asdict(config_before)),  # type: ignore[call-overload]
        as_stored(asdict(config)),  # type: ignore[call-overload]
    )
    if changed:
        raise ZooError(
            f"{out} was begun with another configuration of size {before.size!r}: "
            f"{'; '.join(changed)}"
        )
    if stored["code"] != (code := runs.code(before.backend)):
        _note(
            f"begun with {stored['code']}, now {code}: "
            f"the weights may differ in their last bits"
        )
    _import_keras(before)
    return _train(program, run, Setup(before, config, data, extras), how)


def _import_keras(settings: Settings) -> None:
    """Start Keras on the run's backend and check what only keras_gru knows."""
    backends.use(settings.backend)
    import keras_gru

    if settings.variant not in keras_gru.VARIANTS:
        raise ZooError(
            f"unknown variant {settings.variant!r}; expected one of "
            f"{', '.join(keras_gru.VARIANTS)}"
        )


def _train(
    program: Program[SettingsT, ConfigT, DataT],
    run: RunFolder,
    setup: Setup[SettingsT, ConfigT, DataT],
    how: Bookkeeping,
) -> RunFolder:
    """Train to the end; a row in the tables says how it went, whatever happens."""
    if run.result.is_file():
        result = json.loads(run.result.read_text(encoding="utf-8"))
        print(f"{run.path} is already finished")
        _print_result(program, result)
        return run
    settings = setup.settings
    row: dict[str, Any] = {
        "started": runs.now(),
        "program": program.name,
        "status": "finished",
        "command": runs.command_line(),
        "seed": settings.seed,
        "commit": runs.commit(),
        "machine": runs.machine(),
        "backend": settings.backend,
        "versions": runs.versions(settings.backend),
        "dataset": setup.data.name,
        "size": settings.size,
        "variant": settings.variant,
    }
    try:
        row.update(_train_to_the_end(program, run, setup, how))
    except KeyboardInterrupt:
        row.update(status="interrupted")
        raise
    except BaseException as error:
        row.update(status="failed", error=one_line(f"{type(error).__name__}: {error}"))
        raise
    finally:
        for table in [run.rows, *how.tables(program.name)]:
            runs.append_row(table, row, program.columns)
    return run


def _train_to_the_end(
    program: Program[SettingsT, ConfigT, DataT],
    run: RunFolder,
    setup: Setup[SettingsT, ConfigT, DataT],
    how: Bookkeeping,
) -> dict[str, Any]:
    """Train, then write curve, samples and result; return the result."""
    from rich.console import Console

    from zoo import loop as training
    from zoo.training import plots, weights
    from zoo.training.events import TRAINING_POINTS, Events

    settings = setup.settings
    backends.seed_everything(settings.seed)
    task = program.task(setup)
    parameters = task.model.count_params()
    console = Console(highlight=False, soft_wrap=True)
    console.print(
        f"{program.summary(setup)}; "
        f"{settings.size}: {parameters:,} parameters, variant {settings.variant}, "
        f"{settings.backend}; {task.total_steps:,} steps -> {run.path}",
        markup=False,
    )

    every = max(1, task.total_steps // TRAINING_POINTS)

    def stepped(progress: Progress) -> None:
        advance(progress)
        if progress.step % every == 0:
            # The mean since the last validation: a batch's own loss jumps too much.
            loss = {"loss/training": progress.loss}
            events.write(progress.step, progress.seconds, loss)

    def validated(progress: Progress) -> None:
        entry = progress.history[-1]
        events.write(
            progress.step,
            progress.seconds,
            {f"validation/{name}": entry[name] for name in _figure_names(entry)},
        )
        console.print(
            f"step {entry['step']:>6,}/{task.total_steps:,}  {entry['seconds']:6.0f} s"
            f"  training {entry['train_loss']:.4f}  validation {_figures(entry)}"
        )
        plots.learning_curve(
            progress.history, program.objective, run.path.name, run.learning_curve
        )

    events = Events(run.events)
    with _bar(console, task) as advance:
        progress = training.fit(
            task,
            run,
            program.objective,
            facts={"data": setup.data.sha256},
            report=_note,
            on_step=stepped,
            on_validation=validated,
            checkpoint_seconds=how.checkpoint_seconds,
        )

    best = program.objective.best(progress.history)
    assert progress.best is not None  # the last step always validates
    final = weights.values_of(task.model.weights)
    result = {
        "parameters": parameters,
        "steps": progress.step,
        "seconds": round(progress.seconds, 1),
        "train_loss": best["train_loss"],
        **{f"validation_{name}": best[name] for name in _figure_names(best)},
        "best_step": best["step"],
        "best_weights_sha256": weights.digest_of(progress.best),
        "final_weights_sha256": weights.digest_of(final),
        **program.finish(setup, task, run, progress),
    }
    write_text(run.result, json.dumps(result, indent=2) + "\n")
    _print_result(program, result)
    return result


@contextmanager
def _bar(console: Console, task: Task) -> Iterator[Callable[[Progress], None]]:
    """A progress bar on a terminal; gives the function to call at every step."""
    from rich.progress import BarColumn, TextColumn, TimeRemainingColumn
    from rich.progress import Progress as Bar

    with Bar(
        TextColumn("epoch {task.fields[epoch]}"),
        BarColumn(),
        TextColumn("{task.completed:,}/{task.total:,}  loss {task.fields[loss]}"),
        TimeRemainingColumn(),
        console=console,
        transient=True,
        disable=not console.is_terminal,
    ) as bar:
        shown = bar.add_task("", total=task.total_steps, epoch="", loss="")
        epochs = -(-task.total_steps // task.steps_per_epoch)

        def stepped(progress: Progress) -> None:
            epoch = (progress.step - 1) // task.steps_per_epoch + 1
            bar.update(
                shown,
                completed=progress.step,
                epoch=f"{epoch}/{epochs}",
                loss=f"{progress.loss:.4f}" if progress.loss_count else "",
            )

        yield stepped


def _figure_names(entry: Any) -> list[str]:
    """The names of a history entry's validation figures."""
    return [name for name in entry if name not in ("step", "seconds", "train_loss")]


def _figures(entry: Any) -> str:
    return ", ".join(f"{name} {entry[name]:.4f}" for name in _figure_names(entry))


def _print_result(
    program: Program[SettingsT, ConfigT, DataT], result: dict[str, Any]
) -> None:
    figures = ", ".join(
        f"{name} {result[name]:.4f}" for name in program.columns if name in result
    )
    print(
        f"best weights: {figures}, at step {result['best_step']:,} of "
        f"{result['steps']:,} in {result['seconds']:.0f} s; "
        f"final weights {result['final_weights_sha256'][:16]}"
    )


def _note(line: str) -> None:
    print(f"note: {line}", file=sys.stderr)

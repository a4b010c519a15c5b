"""Kill sweeps at random moments: none hangs, no trial is lost, none is repeated.

``python -m tests.kills.sweeps`` runs a sweep of a model that needs no training once
without a break. Then it runs the same sweep again and kills, with SIGKILL at random
moments, a worker in it `--worker` times and, resuming each time, the sweep itself
`--sweep` times and all its processes `--tree` times. A trial that ended before a kill
must stand in the end as it stood then, none may have been begun after it ended, no
process may be left behind, and all metrics must be those of the sweep that was left
alone. Exit code 1 if that is not so.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import click

from tests.kills.processes import descendants

# Of the model's random search: its proposals do not depend on which trial ends first.
SWEEP = """
import os, pathlib, sys, time
import keras_tuner
from keras_gru import tuning

class Slow(keras_tuner.HyperModel):
    def build(self, hp):
        hp.Float("x", -1.0, 1.0)
        hp.Choice("variant", ["keras", "cho2014", "chung2014"])

    def fit(self, hp, model, **arguments):
        with open(STARTS, "a") as file:
            file.write(self.trial.trial_id + "\\n")
        time.sleep(SECONDS)
        return (hp.get("x") - 0.5) ** 2

out, STARTS, trials, workers, SECONDS, resume = sys.argv[1:]
SECONDS = float(SECONDS)
tuning.run(
    Slow(),
    objective=keras_tuner.Objective("height", "min"),
    out=out,
    trials=int(trials),
    workers=int(workers),
    seed=1,
    resume=resume == "resume",
    backend="numpy",
)
"""


class Sweep:
    """A sweep in a folder, in processes of its own."""

    def __init__(self, folder: Path, trials: int, workers: int, seconds: float) -> None:
        self.out = folder / "sweep"
        self.starts = folder / "starts"
        self.log = folder / "log"
        self._arguments = (str(trials), str(workers), str(seconds))
        folder.mkdir()

    def start(self) -> subprocess.Popen[bytes]:
        resume = "resume" if (self.out / "sweep.json").exists() else "begin"
        with self.log.open("ab") as log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-c", SWEEP, str(self.out), str(self.starts)),
                    *(*self._arguments, resume),
                ],
                env={**os.environ, "KERAS_BACKEND": "numpy"},
                stdout=log,
                stderr=log,
            )

    def ended(self) -> dict[str, tuple[str, float]]:
        """Trial -> status and metric, of those that ended."""
        found = {}
        for path in self.out.glob("trials/*/trial.json"):
            record = json.loads(path.read_text(encoding="utf-8"))
            if record["status"] != "RUNNING":
                found[path.parent.name] = (record["status"], record["metric"])
        return found

    def begun(self) -> Counter[str]:
        """Trial -> how often its training was begun."""
        text = self.starts.read_text(encoding="utf-8") if self.starts.exists() else ""
        return Counter(text.split())


def workers_of(pid: int) -> list[int]:
    """The workers of a sweep."""
    found = []
    for process in descendants(pid):
        try:
            words = Path(f"/proc/{process}/cmdline").read_bytes().split(b"\0")
        except (FileNotFoundError, ProcessLookupError):
            continue  # it ended in this moment
        if b"keras_gru.tuning.worker" in words and b"-m" in words[:2]:
            found.append(process)
    return found


@click.command()
@click.option("--sweep", type=click.IntRange(min=0), default=10, show_default=True)
@click.option("--worker", type=click.IntRange(min=0), default=10, show_default=True)
@click.option("--tree", type=click.IntRange(min=0), default=5, show_default=True)
@click.option("--trials", type=click.IntRange(min=1), default=60, show_default=True)
@click.option("--workers", type=click.IntRange(min=1), default=2, show_default=True)
@click.option("--trial-seconds", type=float, default=2.0, show_default=True)
@click.option("--seed", type=int, default=0, help="Decides the moments.")
def main(
    sweep: int,
    worker: int,
    tree: int,
    trials: int,
    workers: int,
    trial_seconds: float,
    seed: int,
) -> None:
    """Kill sweeps, workers and both; count what was lost, repeated and left behind."""
    chance = random.Random(seed)
    with tempfile.TemporaryDirectory() as temporary:
        whole = Sweep(Path(temporary) / "whole", trials, workers, 0.0)
        begun = time.monotonic()
        if whole.start().wait() != 0:
            sys.exit(f"the undisturbed sweep failed: {whole.log.read_text()[-2000:]}")
        click.echo(f"undisturbed: {trials} trials, {time.monotonic() - begun:.0f} s")
        killed = Sweep(Path(temporary) / "killed", trials, workers, trial_seconds)
        kills = ["sweep"] * sweep + ["worker"] * worker + ["tree"] * tree
        chance.shuffle(kills)
        faults = _kill(killed, kills, chance, trials, trial_seconds / workers)
        faults += _compare(whole, killed)
        click.echo(
            f"{len(kills)} kills in {time.monotonic() - begun:.0f} s: "
            f"{len(faults)} faults"
        )
        for fault in faults:
            click.echo(f"FAULT {fault}")
    sys.exit(1 if faults else 0)


def _kill(
    sweep: Sweep,
    kills: list[str],
    chance: random.Random,
    trials: int,
    pace: float,
) -> list[str]:
    """Run the sweep with all kills; the faults that are seen on the way."""
    faults: list[str] = []
    seen: list[tuple[dict[str, tuple[str, float]], Counter[str]]] = []
    process = sweep.start()
    for number, victim in enumerate(kills, 1):
        # Spread over the trials, each at a moment of its own within them.
        goal = (number * trials) // (len(kills) + 2)
        deadline = time.monotonic() + 180.0
        while len(sweep.ended()) < goal and time.monotonic() < deadline:
            if process.poll() is not None:
                return [*faults, f"it ended by itself before kill {number}"]
            time.sleep(0.05)
        time.sleep(chance.uniform(0.0, 2.0 * pace))
        before, starts = sweep.ended(), sweep.begun()
        seen.append((before, starts))
        found = descendants(process.pid)
        if victim == "worker":
            while not (workers := workers_of(process.pid)):
                time.sleep(0.1)
            _kill_one(chance.choice(workers))
        else:
            for pid in (process.pid, *(found if victim == "tree" else [])):
                _kill_one(pid)
            process.wait()
            time.sleep(2.0)
            left = [pid for pid in found if _runs(pid)]
            faults += [f"process {pid} was left behind" for pid in left]
            process = sweep.start()
        click.echo(
            f"kill {number:>2}: {victim:<8} {len(before)} ended, "
            f"{sum(starts.values())} begun"
        )
    try:
        code = process.wait(timeout=300.0)
    except subprocess.TimeoutExpired:
        process.kill()
        return [*faults, "it did not end by itself"]
    if code != 0:
        faults.append(f"exit code {code}: {sweep.log.read_text()[-500:]}")
    end, begun = sweep.ended(), sweep.begun()
    for before, starts in seen:
        faults += [f"trial {t} was lost" for t in before if end.get(t) != before[t]]
        faults += [f"trial {t} was repeated" for t in before if begun[t] != starts[t]]
    return faults


def _runs(pid: int) -> bool:
    """Whether a process is there, and not only waits to be taken note of."""
    try:
        return ") Z " not in Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False


def _kill_one(pid: int) -> None:
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        click.echo("         it had ended in that moment")


def _compare(whole: Sweep, killed: Sweep) -> list[str]:
    """Where the killed sweep differs from the one that was left alone."""
    faults = []
    expected, found = whole.ended(), killed.ended()
    for trial in sorted(set(expected) | set(found)):
        if found.get(trial) != expected.get(trial):
            faults.append(
                f"trial {trial}: {found.get(trial)}, expected {expected.get(trial)}"
            )
    return faults


if __name__ == "__main__":
    main()

"""Lose a machine of a Ray cluster in the middle of a sweep.

``python -m tests.kills.nodes`` starts a cluster of two nodes on this machine, with a
processor each, and sweeps a model that trains for `--epochs` epochs on it: first with
every trial trained to its end, then with ASHA, and again with ASHA while the second
node is killed when a third of the trials have ended. All trials must end, and all that
were trained to the end must have the metric that they had before. Exit code 1 if that
is not so.
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from contextlib import suppress
from pathlib import Path

import click

from tests.kills.processes import descendants

SWEEP = """
import sys, time
import keras, keras_tuner, numpy as np
from keras_gru import tuning

SECONDS = float(sys.argv[5])

class Slow(keras.callbacks.Callback):
    def on_epoch_end(self, epoch, logs=None):
        time.sleep(SECONDS)

class Line(keras_tuner.HyperModel):
    def build(self, hp):
        hp.Float("noise", 0.0, 1.0)
        model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(1)])
        model.compile(keras.optimizers.SGD(0.1), "mse")
        return model

    def fit(self, hp, model, *, callbacks, epochs):
        rng = np.random.default_rng(0)
        x = rng.normal(size=(64, 3))
        y = x.sum(axis=1, keepdims=True) + hp.get("noise") * rng.normal(size=(64, 1))
        return model.fit(
            x, y, epochs=epochs, verbose=0, callbacks=[Slow(), *callbacks]
        )

out, address, trials, epochs, _, stopping = sys.argv[1:]
tuning.run(
    Line(),
    objective=keras_tuner.Objective("loss", "min"),
    out=out,
    trials=int(trials),
    epochs=int(epochs),
    workers=2,
    seed=1,
    stopping=stopping if stopping != "none" else None,
    engine="ray",
    address=address,
)
"""


VARIABLES = {"RAY_worker_niceness": "0", "RAY_AUTH_MODE": "token"}


def start(*arguments: str) -> subprocess.Popen[bytes]:
    """A node, with one processor."""
    command = [sys.executable, "-m", "ray.scripts.scripts", "start", "--block"]
    command += ["--num-cpus=1", "--disable-usage-stats", *arguments]
    return subprocess.Popen(
        command,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env={**os.environ, **VARIABLES},
        start_new_session=True,
    )


def kill(node: subprocess.Popen[bytes]) -> None:
    """All processes of a node at once."""
    for pid in (node.pid, *descendants(node.pid)):
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    node.wait()


def free_port() -> int:
    with socket.socket() as server:
        server.bind(("127.0.0.1", 0))
        return int(server.getsockname()[1])


def sweep(folder: Path, address: str, stopping: str, options: list[str]) -> float:
    """Run a sweep; its seconds."""
    begun = time.monotonic()
    subprocess.run(
        [sys.executable, "-c", SWEEP, str(folder), address, *options, stopping],
        check=True,
        stdout=subprocess.DEVNULL,
        env={**os.environ, **VARIABLES},
    )
    return time.monotonic() - begun


def ended(folder: Path) -> dict[str, tuple[str, float, int]]:
    """Trial -> status, metric, epochs, from the table that a user reads."""
    import csv

    path = folder / "trials.csv"
    rows = csv.DictReader(path.read_text().splitlines()) if path.exists() else []
    return {
        row["trial_id"]: (row["status"], float(row["metric"]), int(row["epochs"]))
        for row in rows
        if row["metric"]
    }


@click.command()
@click.option("--trials", type=click.IntRange(min=3), default=18, show_default=True)
@click.option("--epochs", type=click.IntRange(min=3), default=9, show_default=True)
@click.option("--epoch-seconds", type=float, default=1.0, show_default=True)
def main(trials: int, epochs: int, epoch_seconds: float) -> None:
    """Sweep on two nodes: in full, with ASHA, with ASHA and a node killed."""
    options = [str(trials), str(epochs), str(epoch_seconds)]
    address = f"127.0.0.1:{free_port()}"
    head = start("--head", f"--port={address.split(':')[1]}", "--include-dashboard=0")
    nodes = [head]
    faults: list[str] = []
    found: dict[str, dict[str, tuple[str, float, int]]] = {}
    try:
        time.sleep(10.0)
        with tempfile.TemporaryDirectory() as temporary:
            for name, stopping in (
                ("none", "none"),
                ("asha", "asha"),
                ("lost", "asha"),
            ):
                folder = Path(temporary) / name
                node = start(f"--address={address}")
                nodes.append(node)
                time.sleep(10.0)
                if name == "lost":
                    threading.Thread(
                        target=_kill_later, args=(node, folder, trials // 3)
                    ).start()
                seconds = sweep(folder, address, stopping, options)
                found[name] = ended(folder)
                kill(node)
                trained = sum(row[2] for row in found[name].values())
                stopped = sum(row[2] < epochs for row in found[name].values())
                click.echo(
                    f"{name:<5} {seconds:6.1f} s, {len(found[name])} trials ended, "
                    f"{stopped} stopped early, {trained} epochs"
                )
    finally:
        for node in nodes:
            kill(node)
    for name, rows in found.items():
        if len(rows) != trials or {row[0] for row in rows.values()} != {"COMPLETED"}:
            faults.append(f"{name}: {rows}")
        for trial, (_, metric, length) in rows.items():
            whole = found["none"][trial][1]
            if length == epochs and abs(metric - whole) > 1e-6 * whole:
                faults.append(f"{name}: trial {trial} gave {metric}, expected {whole}")
    best = {name: min(row[1] for row in rows.values()) for name, rows in found.items()}
    click.echo(f"best: {best}; {len(faults)} faults")
    for fault in faults:
        click.echo(f"FAULT {fault}")
    sys.exit(1 if faults else 0)


def _kill_later(node: subprocess.Popen[bytes], folder: Path, goal: int) -> None:
    while len(ended(folder)) < goal:
        time.sleep(0.2)
    kill(node)
    click.echo(f"the second node was killed with {len(ended(folder))} trials ended")


if __name__ == "__main__":
    main()

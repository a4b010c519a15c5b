"""Kill trainings at random moments; each must end with the same weights, bit for bit.

``python -m tests.kills.trainings [PROGRAM]`` trains once without a break, then begins
the same training `--kills` times anew, ends each with SIGKILL at a random moment of its
life, resumes it, and compares the hashes of the final weights. Exit code 1 if any
differs.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import click

from zoo.backend import BACKENDS, chosen
from zoo.language_model.data import standard_library

# What makes a training of each program short.
SHORT = {
    "language_model": ("--size=tiny",),
    "translation": ("--size=tiny", "--epochs=1"),
    "speech": ("--size=tiny", "--epochs=2"),
}


@click.command()
@click.argument("program", type=click.Choice(list(SHORT)), default="language_model")
@click.option("--kills", type=click.IntRange(min=1), default=10, show_default=True)
@click.option(
    "--characters",
    type=click.IntRange(min=1),
    default=150_000,
    show_default=True,
    help="Length of the language model's text, from the standard library.",
)
@click.option("--seed", type=int, default=0, help="Decides the moments.")
@click.option("--backend", type=click.Choice(BACKENDS))
def main(
    program: str, kills: int, characters: int, seed: int, backend: str | None
) -> None:
    """Kill and resume trainings; compare their final weights."""
    moments = random.Random(seed)
    with tempfile.TemporaryDirectory() as folder:
        arguments: tuple[str, ...] = (
            *(sys.executable, "-m", "zoo", "train", program, *SHORT[program]),
            f"--backend={chosen(backend)}",
            "--checkpoint-seconds=1",
        )
        if program == "language_model":
            text = Path(folder) / "text.txt"
            text.write_text(standard_library()[:characters], encoding="utf-8")
            arguments += (f"--text={text}",)
        begun = time.perf_counter()
        _run((*arguments, f"--out={folder}/whole"))
        lifetime = time.perf_counter() - begun
        expected = _hashes(Path(folder) / "whole")
        click.echo(f"never killed: {lifetime:.1f} s, final weights {expected['final']}")
        different = 0
        for number in range(1, kills + 1):
            run = Path(folder) / f"killed-{number}"
            moment = moments.uniform(0.2, 1.0) * lifetime  # the start trains nothing
            reached = _run_and_kill((*arguments, f"--out={run}"), moment, run)
            while (run / "result.json").exists():  # too late to kill anything: again
                shutil.rmtree(run)
                moment *= 0.9
                reached = _run_and_kill((*arguments, f"--out={run}"), moment, run)
            # Killed before the folder was there: nothing to resume, so begin.
            again = ("--resume",) if run.exists() else ()
            _run((*arguments, f"--out={run}", *again))
            found = _hashes(run)
            different += found != expected
            click.echo(
                f"kill {number:>2} after {moment:5.1f} s ({reached}): final weights "
                f"{found['final']}  {'equal' if found == expected else 'DIFFERENT'}"
            )
    click.echo(f"{kills - different} of {kills} equal")
    sys.exit(1 if different else 0)


def _run(arguments: tuple[str, ...]) -> None:
    subprocess.run(arguments, check=True, stdout=subprocess.DEVNULL)


def _run_and_kill(arguments: tuple[str, ...], moment: float, run: Path) -> str:
    """Kill the process `moment` seconds after its start; say how far it had come."""
    process = subprocess.Popen(arguments, stdout=subprocess.DEVNULL)
    try:
        process.wait(timeout=moment)
    except subprocess.TimeoutExpired:
        process.kill()  # SIGKILL: nothing of the process's own runs any more
        process.wait()
    kept = sorted((run / "checkpoints").glob("step-*.npz"))
    if kept:
        return f"last checkpoint {kept[-1].stem}"
    return "no checkpoint yet" if os.path.exists(run) else "no run folder yet"


def _hashes(run: Path) -> dict[str, str]:
    result = json.loads((run / "result.json").read_text(encoding="utf-8"))
    return {
        "final": result["final_weights_sha256"][:16],
        "best": result["best_weights_sha256"][:16],
    }


if __name__ == "__main__":
    main()

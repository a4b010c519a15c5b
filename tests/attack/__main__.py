"""`python -m tests.attack`: thousands of damaged, hostile and senseless cases.

Each case is a function of its kind, its number and the seed. What came of it is a line
in `--out`, so that a run that was stopped goes on; at the end a table by kind, and for
each failure the command that repeats it. Exit code 1 if there is one. What kills
processes is beside it: `python -m tests.kills.{trainings,sweeps,nodes}`.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import tempfile
import warnings
from collections import Counter
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "tensorflow")

import click
import numpy as np
from tqdm import tqdm

from tests.attack.cases import KINDS

SECONDS = 60  # after which a case hangs


def run(kind: str, number: int, seed: int) -> str:
    """A case; "FAILED" with the reason, or what came of it."""

    def hangs(*_: object) -> None:
        raise TimeoutError(f"it hangs: nothing for {SECONDS} s")

    rng = np.random.default_rng([seed, list(KINDS).index(kind), number])
    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(SECONDS)
    try:
        with tempfile.TemporaryDirectory() as folder, warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return KINDS[kind](rng, Path(folder))
    except Exception as error:
        return f"FAILED {type(error).__name__}: {error}"
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


@click.command()
@click.option("--kind", type=click.Choice(list(KINDS)), multiple=True, help="[all]")
@click.option("--cases", type=click.IntRange(min=1), default=500, show_default=True)
@click.option("--only", type=int, help="The case of this number alone.")
@click.option("--seed", type=int, default=0, show_default=True)
@click.option("--out", type=click.Path(path_type=Path), default=Path("attack.jsonl"))
def main(
    kind: tuple[str, ...], cases: int, only: int | None, seed: int, out: Path
) -> None:
    """Attack the project; count what passed and what did not."""
    if only is not None:
        for name in kind or KINDS:
            click.echo(f"{name} {only}: {run(name, only, seed)}")
        return
    found: dict[tuple[str, int], str] = {}
    if out.exists():
        for line in out.read_text(encoding="utf-8").splitlines():
            name, number, of, outcome = json.loads(line)
            if of == seed:
                found[name, number] = outcome
    wanted = [(name, number) for name in kind or KINDS for number in range(cases)]
    with out.open("a", encoding="utf-8") as file:
        for name, number in tqdm([one for one in wanted if one not in found]):
            found[name, number] = outcome = run(name, number, seed)
            file.write(json.dumps([name, number, seed, outcome]) + "\n")
            file.flush()
    click.echo("| kind | tried | same | refused | repaired | failed |")
    click.echo("|---|---|---|---|---|---|")
    for name in kind or KINDS:
        outcomes = [found[one].split()[0] for one in wanted if one[0] == name]
        count = Counter(outcomes)
        cells = [count[key] for key in ("same", "refused", "repaired", "FAILED")]
        click.echo(f"| {name} | {len(outcomes)} | {' | '.join(map(str, cells))} |")
    failed = [one for one in wanted if found[one].startswith("FAILED")]
    for name, number in failed:
        click.echo(f"{found[name, number]}\n  python -m tests.attack --kind {name} ")
        click.echo(f"    --only {number} --seed {seed}")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()

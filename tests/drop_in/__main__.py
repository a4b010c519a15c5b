"""`python -m tests.drop_in`: runs every use on each backend, writes the table anew.

Names of backends as arguments run those only; the other columns stay. Exit status 1
where a verdict is not the declared one; what differed there is printed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
from pathlib import Path

BACKENDS = ("tensorflow", "jax", "torch")
RESULTS = "KERAS_GRU_DROP_IN_RESULTS"
"""Where a process for one backend writes its verdicts."""


def run_all(backends: list[str]) -> int:
    unknown = set(backends) - set(BACKENDS)
    if unknown:
        print(f"unknown backends: {sorted(unknown)}; expected some of {BACKENDS}")
        return 2
    status, seen = 0, {}
    for backend in backends or BACKENDS:
        with tempfile.TemporaryDirectory() as folder:
            results = Path(folder) / "verdicts.json"
            done = subprocess.run(
                [sys.executable, "-m", "tests.drop_in"],
                env={**os.environ, "KERAS_BACKEND": backend, RESULTS: str(results)},
                check=False,
            )
            status = max(status, done.returncode)
            seen[backend] = dict(json.loads(results.read_text()))
    write(seen)
    return status


def write(seen: dict[str, dict[str, str]]) -> None:
    from tests.drop_in import table

    committed = table.read() if table.PATH.exists() else {}
    cells = {}
    for use in table.USES:
        cells[use.group, use.title] = {
            backend: seen[backend].get(use.name, table.NO_SUCH_USE)
            if backend in seen
            else committed.get((use.group, use.title), table.NOT_YET)[backend]
            for backend in BACKENDS
        }
    table.PATH.parent.mkdir(exist_ok=True)
    table.PATH.write_text(table.render(cells), encoding="utf-8")


def run_one(results: str) -> int:
    import tests.conftest  # the environment of the tests, before Keras  # noqa: F401
    from tests.drop_in import judge, table

    verdicts, status = {}, 0
    for use in table.USES:
        if judge.BACKEND not in use.backends:
            continue
        outcome = judge.judge(use)
        verdicts[use.name] = outcome.verdict
        if outcome.verdict != use.expected(judge.BACKEND):
            status = 1
            expected = f"{outcome.verdict}, expected: {use.expected(judge.BACKEND)}"
            print(f"{judge.BACKEND}: {use.name}: {expected}\n{outcome.details}")
    Path(results).write_text(json.dumps(verdicts))
    return status


if __name__ == "__main__":
    if results := os.environ.get(RESULTS):
        sys.exit(run_one(results))
    sys.exit(run_all(sys.argv[1:]))

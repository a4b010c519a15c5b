"""`python -m tests`: the whole check, as CI runs it.

The tests on each backend in a process of its own, as many at a time as there are
processors, then the linter, the formatter and the type checker. Names of backends
as arguments run those only. Exit status 0 where all of it passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

BACKENDS = ("tensorflow", "jax", "torch")
CHECKS = {
    "lint": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
}


def main(backends: list[str]) -> int:
    unknown = set(backends) - set(BACKENDS)
    if unknown:
        print(f"unknown backends: {sorted(unknown)}; expected some of {BACKENDS}")
        return 2
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        outcomes = list(pool.map(test, backends or BACKENDS))
    if not backends:
        outcomes += [run(name, command, {}) for name, command in CHECKS.items()]
    print("\n".join(f"{name:<12}{result}" for name, _, result in outcomes))
    return 0 if all(passed for _, passed, _ in outcomes) else 1


def test(backend: str) -> tuple[str, bool, str]:
    return run(backend, ["pytest", "-q"], {"KERAS_BACKEND": backend})


def run(
    name: str, command: list[str], environment: dict[str, str]
) -> tuple[str, bool, str]:
    """Runs a module; prints what it printed when it ends: (name, passed, result)."""
    start = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", *command],
        env=os.environ | environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )
    outcome = "passed" if done.returncode == 0 else f"FAILED ({done.returncode})"
    result = f"{outcome} in {time.monotonic() - start:.0f} s"
    print(f"$ {' '.join(command)}  # {name}\n{done.stdout}{name}: {result}", flush=True)
    return name, done.returncode == 0, result


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

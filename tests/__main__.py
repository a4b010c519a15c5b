"""`python -m tests`: the whole check, as CI runs it.

The tests on each backend in a process of its own, as many at a time as there are
processors, then some of them with the oldest Keras that pyproject.toml allows, the
linter, the formatter and the type checker. Names of backends as arguments run those
only. Exit status 0 where all of it passed.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

BACKENDS = ("tensorflow", "jax", "torch")
CHECKS = {
    "lint": ["ruff", "check", "."],
    "format": ["ruff", "format", "--check", "."],
    "types": ["mypy"],
}
# What leans most on Keras' own classes: its RNN, its cell, its wrappers, its files.
LEANS_ON_KERAS = [
    "tests/test_bidirectional.py",
    "tests/test_call.py",
    "tests/test_cell.py",
    "tests/test_config.py",
    "tests/test_dropout.py",
    "tests/test_keras_private.py",
    "tests/test_signature.py",
    "tests/test_stateful.py",
    "tests/test_weight_files.py",
    *("-k", "not weights_from_a_file"),  # fifty cases; the others read files too
]


def main(backends: list[str]) -> int:
    unknown = set(backends) - set(BACKENDS)
    if unknown:
        print(f"unknown backends: {sorted(unknown)}; expected some of {BACKENDS}")
        return 2
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        running = [pool.submit(test, backend) for backend in backends or BACKENDS]
        if not backends:
            running.append(pool.submit(test_with_oldest_keras))
    outcomes = [one.result() for one in running]
    if not backends:
        outcomes += [run(name, command, {}) for name, command in CHECKS.items()]
    print("\n".join(f"{name:<14}{result}" for name, _, result in outcomes))
    return 0 if all(passed for _, passed, _ in outcomes) else 1


def test(backend: str) -> tuple[str, bool, str]:
    return run(backend, ["pytest", "-q"], {"KERAS_BACKEND": backend})


def test_with_oldest_keras() -> tuple[str, bool, str]:
    """On TensorFlow, with a Keras that is installed for this alone."""
    requirement = re.search(r'"keras>=([\d.]+)', Path("pyproject.toml").read_text())
    name = f"keras=={requirement[1]}"
    with tempfile.TemporaryDirectory() as folder:
        install = ["pip", "install", "--quiet", "--no-deps", "--target", folder, name]
        installed = run(name, install, {})
        if not installed[1]:
            return installed
        environment = {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": folder}
        return run(name, ["pytest", *LEANS_ON_KERAS], environment)


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

"""`python -m tests`: the whole check, as CI runs it.

The tests on each backend in a process of its own, as many at a time as there are
processors, some of them with the oldest Keras and keras-tuner that pyproject.toml
allows, then the linter, the formatter and the type checker. Names of backends as
arguments run those only; `--quick` runs the layer, its kernels and their errors on
each, in minutes. Exit status 0 where all of it passed.
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

BACKENDS = ("jax", "tensorflow", "torch")  # the one that takes longest comes first
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
    "tests/test_replace_gru.py",
    "tests/test_signature.py",
    "tests/test_stateful.py",
    "tests/test_weight_files.py",
    *("-k", "not weights_from_a_file"),  # fifty cases; the others read files too
]
# What leans most on what keras-tuner does not offer in public.
LEANS_ON_KERAS_TUNER = [
    "tests/tuning/test_keras_tuner_private.py",
    "tests/tuning/test_ledger.py",
    "tests/tuning/test_proposals.py",
]
# What a change of the layer, of a kernel or of a message breaks first.
QUICK = [
    "tests/test_against_oracle.py",
    "tests/test_call.py",
    "tests/test_cell.py",
    "tests/test_errors.py",
    "tests/test_explain.py",
    "tests/test_kernels.py",
    "tests/test_masks.py",
    *("-k", "not test_float64 or of_each_kernel"),  # each kernel, not every case
]


def main(arguments: list[str]) -> int:
    quick = "--quick" in arguments
    named = [word for word in arguments if word != "--quick"]
    unknown = set(named) - set(BACKENDS)
    if unknown:
        print(f"unknown backends: {sorted(unknown)}; expected some of {BACKENDS}")
        return 2
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        selection = QUICK if quick else []
        running = [
            pool.submit(test, backend, selection) for backend in named or BACKENDS
        ]
        if not named and not quick:
            running.append(pool.submit(test_with_oldest, "keras", LEANS_ON_KERAS))
            running.append(
                pool.submit(test_with_oldest, "keras-tuner", LEANS_ON_KERAS_TUNER)
            )
    outcomes = [one.result() for one in running]
    if not named:
        outcomes += [run(name, command, {}) for name, command in CHECKS.items()]
    print("\n".join(f"{name:<20}{result}" for name, _, result in outcomes))
    return 0 if all(passed for _, passed, _ in outcomes) else 1


def test(backend: str, selection: list[str]) -> tuple[str, bool, str]:
    command = ["pytest", "-q", "--durations=10", *selection]
    return run(backend, command, {"KERAS_BACKEND": backend})


def test_with_oldest(package: str, selection: list[str]) -> tuple[str, bool, str]:
    """On TensorFlow, with the oldest version allowed, installed for this alone."""
    allowed = re.search(rf'"{package}>=([\d.]+)', Path("pyproject.toml").read_text())
    name = f"{package}=={allowed[1]}"
    with tempfile.TemporaryDirectory() as folder:
        install = ["pip", "install", "--quiet", "--no-deps", "--target", folder, name]
        installed = run(name, install, {})
        if not installed[1]:
            return installed
        environment = {"KERAS_BACKEND": "tensorflow", "PYTHONPATH": folder}
        return run(name, ["pytest", *selection], environment)


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

"""`python -m tests`: the whole check, as CI runs it.

The tests on each backend in a process of its own, then the linter, the
formatter and the type checker. Names of backends as arguments run those only.
Exit status 0 where all of it passed.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time

BACKENDS = ("tensorflow", "jax", "torch")
PYTHON = sys.executable
CHECKS = {
    "lint": [PYTHON, "-m", "ruff", "check", "."],
    "format": [PYTHON, "-m", "ruff", "format", "--check", "."],
    "types": [PYTHON, "-m", "mypy"],
}


def main(backends: list[str]) -> int:
    unknown = set(backends) - set(BACKENDS)
    if unknown:
        print(f"unknown backends: {sorted(unknown)}; expected some of {BACKENDS}")
        return 2
    results = {}
    for backend in backends or BACKENDS:
        environment = os.environ | {"KERAS_BACKEND": backend}
        results[backend] = run([PYTHON, "-m", "pytest", "-q"], environment)
    if not backends:
        results |= {
            name: run(command, dict(os.environ)) for name, command in CHECKS.items()
        }
    print("\n".join(f"{name:<12}{result}" for name, result in results.items()))
    return 0 if all(r.startswith("passed") for r in results.values()) else 1


def run(command: list[str], environment: dict[str, str]) -> str:
    print("$", " ".join(command[1:]), environment.get("KERAS_BACKEND", ""), flush=True)
    start = time.monotonic()
    code = subprocess.run(command, env=environment, check=False).returncode
    outcome = "passed" if code == 0 else f"FAILED (exit status {code})"
    return f"{outcome} in {time.monotonic() - start:.0f} s"


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

"""`python -m benchmarks.gpu`: the kernels on a GPU, in one visit of some minutes.

Four parts, each in processes of its own: `torch` and `jax` measure, `right` holds every
kernel of torch against the float64 oracle and repeats for the same bits, `sanitizer`
runs the Triton programs under NVIDIA's compute-sanitizer. Every row is written as soon
as it is measured; a second call goes on where the first was broken off.

It needs torch with CUDA and Triton, jax with CUDA, keras, numpy, pytest. What is not
there is named in the results. TensorFlow's kernel for a GPU is cuDNN alone, whose
logic is tested on stand-ins (tests/test_closed_kernels.py).
"""

from __future__ import annotations

import argparse
import csv
import os
import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

from benchmarks.gpu.on_jax import measure_jax
from benchmarks.gpu.on_torch import build_in_torch, measure_torch
from benchmarks.gpu.rows import COLUMNS, Row, deviation, read

THIS = (sys.executable, "-m", "benchmarks.gpu", "--run")
PARTS = ("torch", "jax", "right", "sanitizer")


def hold_against_the_oracle(out: Path) -> None:
    """The tests of torch's kernels on the GPU; their last lines are the result."""
    tests = ["tests/test_against_oracle.py", "tests/test_triton.py"]
    command = ["-m", "pytest", "-q", "-W", "ignore", "-p", "no:cacheprovider"]
    done = subprocess.run(
        [sys.executable, *command, *tests],
        env=os.environ | {"KERAS_BACKEND": "torch"},
        capture_output=True,
        text=True,
        check=False,
    )
    (out / "gpu_right.txt").write_text(done.stdout[-20000:] + done.stderr[-5000:])
    print("\n".join(done.stdout.splitlines()[-15:]))


def sanitize(out: Path) -> None:
    """Some steps with programs that meet, under memcheck and racecheck."""
    if shutil.which("compute-sanitizer") is None:
        print("compute-sanitizer is not installed")
        return
    for tool in ("memcheck", "racecheck"):
        done = subprocess.run(
            ["compute-sanitizer", "--tool", tool, *THIS, "small"],
            capture_output=True,
            text=True,
            check=False,
        )
        text = done.stdout + done.stderr
        (out / f"gpu_{tool}.txt").write_text(text[-20000:])
        print(tool, re.findall(r"SUMMARY.*", text) or f"exit status {done.returncode}")


def small() -> None:
    for convention in ("keep_after", "replace_before"):
        for units in (200, 40):
            shape = (17, 3, 5, units)
            row = Row("torch", shape, "float32", "keras_gru", convention, True, "")
            built = build_in_torch(row._replace(mode="training"))
            built.run()
            print(convention, units, f"{deviation(row, built):.1e}")


def main(words: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description=__doc__
    )
    parser.add_argument("--out", type=Path, default=Path("runs/gpu"))
    parser.add_argument("--parts", default=",".join(PARTS), help="which, in order")
    parser.add_argument("--minutes", type=float, default=9.0, help="all parts together")
    parser.add_argument("--run", choices=(*PARTS, "small"), help=argparse.SUPPRESS)
    arguments = parser.parse_args(words)
    arguments.out.mkdir(parents=True, exist_ok=True)
    if arguments.run:
        _run(arguments.run, arguments.out)
        return 0
    end = time.monotonic() + 60 * arguments.minutes
    for part in arguments.parts.split(","):
        begin = time.monotonic()
        backend = "jax" if part == "jax" else "torch"
        try:
            status: object = subprocess.run(
                [*THIS, part, "--out", str(arguments.out)],
                env=os.environ | {"KERAS_BACKEND": backend},
                timeout=max(1.0, end - begin),
                check=False,
            ).returncode
        except subprocess.TimeoutExpired:
            status = "no time left; call again to go on"
        print(f"{part}: {status} after {time.monotonic() - begin:.0f} s", flush=True)
    return 0


def _run(part: str, out: Path) -> None:
    if part == "right":
        hold_against_the_oracle(out)
    elif part == "sanitizer":
        sanitize(out)
    elif part == "small":
        small()
    else:
        file = out / "gpu.csv"
        new = not file.exists()
        done = [] if new else read(file)
        measure = measure_torch if part == "torch" else measure_jax
        with file.open("a", newline="") as stream:
            writer = csv.writer(stream)
            if new:
                writer.writerow(COLUMNS)
                stream.flush()

            def write(row: Row, *measured: str) -> None:
                shape = "x".join(map(str, row.shape))
                writer.writerow([row.framework, shape, *row[2:], *measured])
                stream.flush()

            measure({row for row, _ in done}, write)


if __name__ == "__main__":
    sys.exit(main())

"""Builds the C++ GRU with sanitizers and runs it: `python -m tests.native.sanitize`.

`address,undefined` finds what is read or written out of place and what the language
leaves open, `thread` finds data races. Exit status 0 where all is clean.
"""

from __future__ import annotations

import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

HERE = pathlib.Path(__file__).parent
NATIVE = HERE.parents[1] / "keras_gru" / "native"
SOURCES = [NATIVE / name for name in ("gru.cc", "threads.cc", "memory.cc")]
SANITIZERS = ("address,undefined", "thread")
FLAGS = ["-std=c++17", "-O1", "-g", "-pthread", "-ffp-contract=off", "-Wno-psabi"]


def main(sanitizers: list[str]) -> int:
    compiler = shutil.which(os.environ.get("CXX", "c++"))
    if compiler is None:
        print("no C++ compiler was found; set CXX to one")
        return 2
    codes = [run(compiler, name) for name in sanitizers or SANITIZERS]
    return max(codes)


def run(compiler: str, sanitizer: str) -> int:
    """Builds and runs the program under one sanitizer; returns its exit status."""
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "sanitized"
        command = [
            *(compiler, *FLAGS, f"-I{NATIVE}", f"-fsanitize={sanitizer}"),
            *("-fno-sanitize-recover=all", "-o", str(program)),
            *map(str, [HERE / "sanitize.cc", *SOURCES]),
        ]
        print("$", *command, flush=True)
        subprocess.run(command, check=True)
        code = subprocess.run([str(program)], check=False).returncode
    print(f"-fsanitize={sanitizer}: {'clean' if code == 0 else f'exit status {code}'}")
    return code


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))

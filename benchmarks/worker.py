"""The process of a backend: makes its contenders ready, checks and times them.

It answers one line of JSON with one line of JSON; see `Worker`. The process that
leads starts it with `processes.Process`.
"""

from __future__ import annotations

import argparse
import gc
import json
import os
import re
import sys
import time
import traceback
from collections.abc import Sequence
from typing import Any

from benchmarks import check
from benchmarks.contenders import framework_of, of_process
from benchmarks.contenders.contender import Built, Contender
from benchmarks.numbers import Numbers
from benchmarks.rows import Group

WARM_UP_BELOW = 0.05
"""Seconds: a shorter call is made once untimed before it is timed."""


class Worker:
    """The contenders of one process.

    Each method is a request; its arguments and what it returns are JSON.
    """

    def __init__(self, contenders: Sequence[Contender]) -> None:
        self.contenders = contenders
        self.ready: dict[str, Built] = {}
        self.last: dict[str, float] = {}

    def prepare(self, group: dict[str, Any], numbers: str) -> list[dict[str, Any]]:
        """Builds every contender of a group and holds it against the oracle.

        Returns:
            One record a contender and convention. `status` is `ready`, `absent`
            (with the reason in `note`), `failed` (it raised), or `wrong`.
        """
        self.release()
        described = Group.from_json(group)
        given = Numbers.load(numbers)
        return [
            self._prepare_one(contender, described, convention, given)
            for contender in self.contenders
            for convention in contender.conventions(described)
        ]

    def _prepare_one(
        self, contender: Contender, group: Group, convention: str, numbers: Numbers
    ) -> dict[str, Any]:
        record: dict[str, Any] = {
            "backend": contender.backend,
            "contender": contender.name,
            "convention": convention,
            "is_ours": contender.is_ours,
            "kernel": "",
            "error": None,
            "flops": None,
            "note": "",
        }
        reason = contender.absence(group)
        if reason is not None:
            return record | {"status": "absent", "note": reason}
        try:
            built = contender.build(group, convention, numbers)
            error = check.compare(
                numbers, convention, built.results(), contender.padding
            )
        except check.WrongResult as wrong:
            return record | {"status": "wrong", "note": str(wrong)}
        except Exception as failure:  # a peer may fail; who leads decides
            print(traceback.format_exc(), file=sys.stderr)
            return record | {"status": "failed", "note": _in_one_line(failure)}
        key = f"{contender.backend}|{contender.name}|{convention}"
        self.ready[key] = built
        return record | {
            "status": "ready",
            "key": key,
            "kernel": built.kernel,
            "error": error,
            "flops": built.flops,
            "note": built.note,
        }

    def time(self, key: str, calls: int) -> float:
        """Seconds of one call, the mean of some in a row."""
        run = self.ready[key].run
        if self.last.get(key, 0.0) < WARM_UP_BELOW:
            run()
        start = time.perf_counter()
        for _ in range(calls):
            run()
        self.last[key] = (time.perf_counter() - start) / calls
        return self.last[key]

    def release(self) -> None:
        """Forgets what was made ready, and the memory that it took."""
        self.ready.clear()
        self.last.clear()
        if "jax" in sys.modules:
            sys.modules["jax"].clear_caches()
        if "keras" in sys.modules:
            sys.modules["keras"].utils.clear_session()
        gc.collect()


def _in_one_line(failure: Exception) -> str:
    """Type and message, without the colours and lines that Keras adds."""
    message = re.sub(r"\x1b\[[0-9;]*m", "", str(failure))
    return " ".join(f"{type(failure).__name__}: {message}".split())[:300]


def limit_threads(threads: int) -> None:
    """Tells the frameworks of this process how many threads they have.

    Their pools are sized by the processors that the process may use, which are set
    before they are imported; these two have a setting of their own beside that.
    """
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(threads)
    if "tensorflow" in sys.modules:
        threading = sys.modules["tensorflow"].config.threading
        threading.set_intra_op_parallelism_threads(threads)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("process")
    parser.add_argument("--processors", required=True, help="comma-separated")
    parser.add_argument("--kernels", default="auto", help="comma-separated")
    arguments = parser.parse_args()
    processors = [int(number) for number in arguments.processors.split(",")]
    os.sched_setaffinity(0, processors)

    # What libraries print must not come between the answers.
    answers = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    __import__(framework_of(arguments.process))
    limit_threads(len(processors))
    worker = Worker(of_process(arguments.process, arguments.kernels.split(",")))

    print(json.dumps({"value": "started"}), file=answers, flush=True)
    for line in sys.stdin:
        request = json.loads(line)
        try:
            value = getattr(worker, request["do"])(**request["with"])
            answer = {"value": value}
        except Exception:  # the process that leads raises it
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer), file=answers, flush=True)


if __name__ == "__main__":
    main()

"""A worker that starts at once and does in a trial what the test says.

`KERAS_GRU_FAKE` holds JSON: the name of a trial -> what to do at each of its starts;
"start" -> what to do before the space is told, at each start of the process.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

SPACE = {
    "space": [
        {
            "class_name": "Float",
            "config": {
                "name": "x",
                "default": -1.0,
                "conditions": [],
                "min_value": -1.0,
                "max_value": 1.0,
                "step": None,
                "sampling": "linear",
            },
        }
    ],
    "values": {},
}


def do(what: str, folder: Path) -> bool:
    """Whether the trial then ends as a trial should."""
    if what == "kill":
        os.kill(os.getpid(), signal.SIGKILL)
    elif what == "segfault":
        os.kill(os.getpid(), signal.SIGSEGV)
    elif what == "deaf":  # to SIGTERM, and hangs
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(600)
    elif what.startswith("exit"):
        os._exit(int(what[4:]))
    elif what == "thread":
        threading.Thread(target=time.sleep, args=[600]).start()
    elif what == "print":
        for _ in range(1000):
            print("x" * 10_000)
    elif what.startswith("children"):
        for session in (False, True):
            child = subprocess.Popen(["sleep", "600"], start_new_session=session)
            with (folder / "children").open("a") as file:
                file.write(f"{child.pid}\n")
        if what == "children and hangs":
            time.sleep(600)
    elif what.startswith("sleep"):
        time.sleep(float(what[5:]))
    return what != "no result"


def main() -> None:
    folder = Path(sys.argv[1])
    script = json.loads(os.environ["KERAS_GRU_FAKE"])
    starts = folder / "starts"
    with starts.open("a") as file:
        file.write(f"{os.getpid()}\n")
    orders, answers = os.fdopen(os.dup(0)), os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)

    def answer(**said: object) -> None:
        print(json.dumps(said), file=answers, flush=True)

    at_start = script.get("start", [])
    number = len(starts.read_text().splitlines()) - 1
    if number < len(at_start):
        if at_start[number] == "wrong":
            answer(wrong="the model cannot be built")
            return
        do(at_start[number], folder)
    answer(space=SPACE)
    for order in orders:
        trial = folder / "trials" / order.strip()
        record = json.loads((trial / "trial.json").read_text())
        del record["sha256"]
        does = script.get(order.strip(), script.get("trials", []))
        what = does[min(record["starts"], len(does)) - 1] if does else "nothing"
        if do(what, folder):
            metrics = {"height": record["values"]["x"]}
            end = {**record, "metrics": metrics, "epochs": 1, "seconds": 0.1}
            end["status"] = "COMPLETED"
            # As keras_gru.files.write_sealed does, whose import takes seconds.
            text = json.dumps(end, sort_keys=True)
            end["sha256"] = hashlib.sha256(text.encode()).hexdigest()
            (trial / "trial.json").write_text(json.dumps(end))
        answer(ended=order.strip())
    sys.exit(0)


if __name__ == "__main__":
    main()

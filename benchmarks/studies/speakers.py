"""Leave one speaker out: how well is a voice heard that was never heard?

One training for each speaker, who is left out of it and then is the test set.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import mean
from typing import Any

from benchmarks.studies import trainings
from zoo.speech.data import load, speakers_of


def run(dataset: str, more: Sequence[str], out: Path) -> list[dict[str, Any]]:
    """Train once without each speaker; ``speakers.csv`` grows with each training.

    Args:
        dataset: of the program speech.
        more: options of ``python -m zoo train speech``.
        out: folder of the runs and the table.

    Raises:
        ZooError: the dataset cannot be had, or a training failed.
    """
    rows: list[dict[str, Any]] = []
    for speaker in speakers_of(load(dataset)):
        options = {"dataset": dataset, "hold_out": speaker}
        result = trainings.train("speech", options, more, out / speaker)
        figure = "accuracy" if "test_accuracy" in result else "wer"
        rows.append(
            {
                "speaker": speaker,
                "figure": figure,
                "test": result.get(f"test_{figure}"),
                "validation": result.get(f"validation_{figure}"),
                "seconds": result.get("seconds"),
                "command": result["command"],
                "error": result["error"],
            }
        )
        trainings.write(out / "speakers.csv", rows)
        print(f"{speaker}: {figure} {result['error'] or rows[-1]['test']}", flush=True)
    well = [row["test"] for row in rows if not row["error"]]
    if well:
        print(f"mean of {len(well)}: {mean(well):.4f} -> {out / 'speakers.csv'}")
    return rows

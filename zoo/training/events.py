"""Curves for TensorBoard, on every backend: ``tensorboard --logdir runs``.

`keras.callbacks.TensorBoard` writes through TensorFlow and belongs to `Model.fit`, and
the `EventFileWriter` of the package `tensorboard` imports TensorFlow where it is
installed, on every backend. Its `RecordWriter` writes to any file.
"""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from zoo.files import naming

# At most so many values of the training loss: a curve has no more pixels.
TRAINING_POINTS = 500


class Events:
    """Scalars of one training, in event files of a folder.

    Every start of a program writes a file of its own. What a kill made a training do
    twice stands in two of them, with equal values.

    Example:
        >>> events = Events(Path("runs/a/tensorboard"))  # doctest: +SKIP
        >>> events.write(100, 4.2, {"loss/training": 1.5})  # doctest: +SKIP
    """

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        now = time.time_ns()  # TensorBoard reads the files in the order of their names
        name = f"events.out.tfevents.{now}.{socket.gethostname()}.{os.getpid()}"
        self._path = folder / name
        self._add(Event(wall_time=time.time(), file_version="brain.Event:2"))

    def write(self, step: int, seconds: float, scalars: Mapping[str, float]) -> None:
        """Append scalars.

        Args:
            step: batches done.
            seconds: spent in training; stands where TensorBoard shows a clock, so that
                "relative" time is training time, without the breaks.
            scalars: name -> value; names with a slash are grouped.
        """
        summary = Summary(
            value=[
                Summary.Value(tag=name, simple_value=value)
                for name, value in scalars.items()
            ]
        )
        self._add(Event(step=step, wall_time=seconds, summary=summary))

    def _add(self, event: Event) -> None:
        with naming(self._path), self._path.open("ab") as file:
            RecordWriter(file).write(event.SerializeToString())

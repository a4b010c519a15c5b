"""Curves for TensorBoard, on every backend: ``tensorboard --logdir runs``.

`keras.callbacks.TensorBoard` writes through TensorFlow and belongs to `Model.fit`; this
is the `tensorboard` package's own writer of event files.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

# At most so many values of the training loss: a curve has no more pixels.
TRAINING_POINTS = 500


class Events:
    """Scalars of one training, in event files of a folder.

    Every start of a program writes a file of its own. What a kill made a training do
    twice stands in two of them, with equal values.

    Example:
        >>> with Events(Path("runs/a/tensorboard")) as events:  # doctest: +SKIP
        ...     events.write(100, 4.2, {"loss/training": 1.5})
    """

    def __init__(self, folder: Path) -> None:
        self._writer = EventFileWriter(str(folder))

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
        self._writer.add_event(Event(step=step, wall_time=seconds, summary=summary))

    def __enter__(self) -> Events:
        return self

    def __exit__(self, *_: object) -> None:
        self._writer.close()

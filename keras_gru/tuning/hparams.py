"""TensorBoard's HParams of a sweep, written without TensorFlow on every backend.

``tensorboard --logdir SWEEP/tensorboard`` shows the trials as a table and in parallel
coordinates. Needs the package tensorboard, which the extra ``[tune]`` brings.
"""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from keras_gru.files import replacing
from keras_gru.tuning.records import COMPLETED, RUNNING, Record
from keras_gru.tuning.settings import Settings

FOLDER = "tensorboard"


def write(folder: Path, record: Record, settings: Settings) -> None:
    """Write a trial that has ended; nothing where it is there already.

    Args:
        folder: of the sweep.
        record: the trial.
        settings: of the sweep.
    """
    path = folder / FOLDER / record.trial_id / "events.out.tfevents.0.sweep"
    if record.status == RUNNING or path.exists():
        return
    from tensorboard.compat.proto.event_pb2 import Event
    from tensorboard.summary.writer.record_writer import RecordWriter

    path.parent.mkdir(parents=True, exist_ok=True)
    ended = time.time()
    with replacing(path) as partial, partial.open("wb") as file:
        writer = RecordWriter(file)
        version = Event(wall_time=ended, file_version="brain.Event:2")
        writer.write(version.SerializeToString())
        for summary in _summaries(record, settings, ended):
            event = Event(wall_time=ended, step=record.epochs or 0, summary=summary)
            writer.write(event.SerializeToString())
        writer.flush()


def _summaries(record: Record, settings: Settings, ended: float) -> list[Any]:
    """The start of a session with its values, the metrics, the end of the session."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams.plugin_data_pb2 import (
        HParamsPluginData,
        SessionEndInfo,
        SessionStartInfo,
    )

    begun = ended - (record.seconds or 0.0)
    start = SessionStartInfo(group_name=record.trial_id, start_time_secs=begun)
    for name, value in record.hyperparameters.items():
        if isinstance(value, bool):
            start.hparams[name].bool_value = value
        elif isinstance(value, (int, float)):
            start.hparams[name].number_value = value
        else:
            start.hparams[name].string_value = str(value)
    done = record.status == COMPLETED
    end = SessionEndInfo(
        status=api_pb2.STATUS_SUCCESS if done else api_pb2.STATUS_FAILURE,
        end_time_secs=ended,
    )

    def mark(tag: str, content: Any) -> Any:
        summary = Summary()
        summary.value.add(
            tag=tag,
            metadata=metadata.create_summary_metadata(content),
            tensor=metadata.NULL_TENSOR,
        )
        return summary

    measured = Summary()
    metrics = {settings.objective: record.metric, **record.metrics}
    for name, figure in metrics.items():
        if figure is not None:
            measured.value.add(tag=name, simple_value=figure)
    return [
        mark(
            metadata.SESSION_START_INFO_TAG, HParamsPluginData(session_start_info=start)
        ),
        measured,
        mark(metadata.SESSION_END_INFO_TAG, HParamsPluginData(session_end_info=end)),
    ]

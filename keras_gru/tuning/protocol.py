"""What goes over keras-tuner's gRPC protocol, and how it is said in its messages.

The service is keras-tuner's own (``keras_tuner.protos``), plain text and without a
password. Its messages lose the order of the space, the digits of a float after the
seventh and the reason of a failure; these go as JSON in string values, under names that
a keras-tuner of the other side passes over.
"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Any

import keras_tuner
from keras_tuner.src import protos

from keras_gru.tuning.ledger import Report
from keras_gru.tuning.proposals import rounded, with_values
from keras_gru.tuning.records import FAILED, Record

SPACE, REPORT = "tuner/space", "tuner/report"
WORKER = "worker"  # metadata of every call: who it is

STATUS = keras_tuner.engine.trial.TrialStatus
MESSAGES = protos.get_service()
SERVICE = protos.get_service_grpc()

OPTIONS = [
    ("grpc.so_reuseport", 0),  # two chiefs on one port would share the workers
    ("grpc.enable_http_proxy", 0),
]


def space_message(space: keras_tuner.HyperParameters) -> Any:
    """A request that declares a space."""
    values = {SPACE: json.dumps({**space.get_config(), "values": {}})}
    return MESSAGES.UpdateSpaceRequest(
        hyperparameters=with_values(space, values).to_proto()
    )


def space_of(request: Any) -> keras_tuner.HyperParameters:
    """The space that a request declares."""
    found = keras_tuner.HyperParameters.from_proto(request.hyperparameters)
    if SPACE in found.values:
        config = json.loads(found.values[SPACE])
        return keras_tuner.HyperParameters.from_config(config)
    found.values = {}
    return found


def trial_message(
    space: keras_tuner.HyperParameters | None, record: Record | None, status: str
) -> Any:
    """A trial in the protocol's words; without a record there is none to run."""
    hp = with_values(
        space or keras_tuner.HyperParameters(), record.values if record else {}
    )
    trial_id = record.trial_id if record else ""
    return keras_tuner.engine.trial.Trial(hp, trial_id, status).to_proto()


def values_of(trial: Any) -> dict[str, Any]:
    """The values that a trial came with, as they were proposed."""
    # Not through `HyperParameters.from_proto`, which adds defaults.
    return {
        name: rounded(getattr(value, value.WhichOneof("kind")))
        for name, value in trial.hyperparameters.values.values.items()
    }


def end_message(trial_id: str, report: Report, failed: bool) -> Any:
    """A request that ends a trial."""
    hp = keras_tuner.HyperParameters()
    hp.values = {REPORT: json.dumps(asdict(report))}
    status = STATUS.FAILED if failed else STATUS.COMPLETED
    trial = keras_tuner.engine.trial.Trial(hp, trial_id, status)
    return MESSAGES.EndTrialRequest(trial=trial.to_proto())


def report_of(request: Any) -> tuple[str, Report | None, bool]:
    """Trial, report and whether it failed; no report from a keras-tuner worker."""
    trial = keras_tuner.engine.trial.Trial.from_proto(request.trial)
    failed = trial.status in (FAILED, STATUS.INVALID)
    said = trial.hyperparameters.values.get(REPORT)
    return trial.trial_id, Report(**json.loads(said)) if said else None, failed

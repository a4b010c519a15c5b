"""A worker's line to the chief, which may be killed and come back at any moment."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any

import grpc
import keras_tuner

from keras_gru.tuning import protocol
from keras_gru.tuning.errors import SweepError
from keras_gru.tuning.ledger import Report
from keras_gru.tuning.protocol import MESSAGES, SERVICE, STATUS

PATIENCE = 120.0  # seconds without a chief after which a worker gives up
_AGAIN = (
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
    # A chief that dies in the middle of an answer.
    grpc.StatusCode.UNKNOWN,
    grpc.StatusCode.INTERNAL,
)


class Connection:
    """Calls of the chief that wait and try again while it is away.

    Every call may be repeated: a trial that this worker has is given to it again, and
    the second end of a trial is dropped.

    Args:
        address: HOST:PORT of the chief.
        worker: the worker's name; no two may have the same.
        patience: seconds without an answer until it gives up.
    """

    def __init__(self, address: str, worker: str, patience: float = PATIENCE) -> None:
        self.address = address
        self.worker = worker
        self.patience = patience
        self._channel = grpc.insecure_channel(
            address,
            options=[
                *protocol.OPTIONS,
                ("grpc.initial_reconnect_backoff_ms", 200),
                ("grpc.max_reconnect_backoff_ms", 1000),
            ],
        )
        self._stub = SERVICE.OracleStub(self._channel)
        self._running = ""
        threading.Thread(target=self._give_signs_of_life, daemon=True).start()

    def declare(self, space: keras_tuner.HyperParameters) -> None:
        """Tell which hyperparameters there are."""
        self._call(self._stub.UpdateSpace, protocol.space_message(space))

    def next(self) -> tuple[str, dict[str, Any]] | None:
        """Wait for a trial: its name and values; None where there is none left."""
        while True:
            request = MESSAGES.CreateTrialRequest(tuner_id=self.worker)
            trial = self._call(self._stub.CreateTrial, request).trial
            status = STATUS.from_proto(trial.status)
            if status == STATUS.STOPPED:
                return None
            if status == STATUS.RUNNING:
                self._running = trial.trial_id
                return trial.trial_id, protocol.values_of(trial)
            time.sleep(0.2)

    def finish(self, trial_id: str, report: Report, *, failed: bool) -> None:
        """Report the end of a trial."""
        self._running = ""
        request = protocol.end_message(trial_id, report, failed)
        self._call(self._stub.EndTrial, request)

    def close(self) -> None:
        self._channel.close()

    def _call(self, method: Callable[..., Any], request: Any) -> Any:
        deadline = time.monotonic() + self.patience
        while True:
            try:
                # A Gaussian process may take its time over a proposal.
                return method(request, timeout=60.0)
            except grpc.RpcError as error:
                if error.code() not in _AGAIN:
                    raise SweepError(str(error.details())) from error
                if time.monotonic() >= deadline:
                    raise SweepError(
                        f"no answer from {self.address} for {self.patience:.0f} s: "
                        f"{error.details()}"
                    ) from error
            time.sleep(0.2)

    def _give_signs_of_life(self) -> None:
        """Ask for the running trial now and then; the chief notes who asked."""
        while True:
            time.sleep(5.0)
            if running := self._running:
                request = MESSAGES.GetTrialRequest(trial_id=running)
                metadata = ((protocol.WORKER, self.worker),)
                try:
                    self._stub.GetTrial(request, timeout=5.0, metadata=metadata)
                # The chief is away; the call that matters says so in time.
                except (grpc.RpcError, ValueError):
                    continue

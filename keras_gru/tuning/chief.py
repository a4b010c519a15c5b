"""The process that keeps the ledger and answers the workers.

Started by the supervisor, which tells it more on its standard input, a JSON object a
line; when that ends, the supervisor is gone and so is the chief. No code of the user's
runs in it.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import threading
from concurrent import futures
from pathlib import Path
from typing import Any

import grpc

from keras_gru.tuning import protocol, settings
from keras_gru.tuning.errors import SweepError
from keras_gru.tuning.files import note, write_json
from keras_gru.tuning.ledger import STOP, Ledger, Report
from keras_gru.tuning.locks import lock
from keras_gru.tuning.names import ADDRESS, WRONG
from keras_gru.tuning.protocol import MESSAGES, SERVICE, STATUS
from keras_gru.tuning.records import Record


class Service(SERVICE.OracleServicer):
    """keras-tuner's service, answered by a ledger.

    Its methods are named by the protocol.
    """

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        # Of workers that are keras-tuner's own: they send the metrics beforehand.
        self._metrics: dict[str, dict[str, float]] = {}

    def GetSpace(self, request: Any, context: Any) -> Any:
        space = self.ledger.space
        answer = protocol.space_message(space) if space else None
        return MESSAGES.GetSpaceResponse(
            hyperparameters=answer.hyperparameters if answer else None
        )

    def UpdateSpace(self, request: Any, context: Any) -> Any:
        try:
            self.ledger.declare(protocol.space_of(request))
        except SweepError as error:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, str(error))
        return MESSAGES.UpdateSpaceResponse()

    def CreateTrial(self, request: Any, context: Any) -> Any:
        given = self.ledger.next(request.tuner_id)
        if isinstance(given, Record):
            trial = protocol.trial_message(self.ledger.space, given, STATUS.RUNNING)
        else:
            status = STATUS.STOPPED if given == STOP else STATUS.IDLE
            trial = protocol.trial_message(None, None, status)
        return MESSAGES.CreateTrialResponse(trial=trial)

    def UpdateTrial(self, request: Any, context: Any) -> Any:
        self._metrics[request.trial_id] = dict(request.metrics)
        return MESSAGES.UpdateTrialResponse(trial=self._trial(request, context))

    def EndTrial(self, request: Any, context: Any) -> Any:
        trial_id, report, failed = protocol.report_of(request)
        if report is None:
            report = Report(self._metrics.pop(trial_id, {}))
        try:
            self.ledger.finish(trial_id, report, failed=failed)
        except SweepError as error:
            context.abort(grpc.StatusCode.NOT_FOUND, str(error))
        return MESSAGES.EndTrialResponse()

    def GetTrial(self, request: Any, context: Any) -> Any:
        """Also the sign of life that our workers give."""
        metadata = dict(context.invocation_metadata())
        if protocol.WORKER in metadata:
            self.ledger.heard(str(metadata[protocol.WORKER]))
        return MESSAGES.GetTrialResponse(trial=self._trial(request, context))

    def _trial(self, request: Any, context: Any) -> Any:
        number = int(request.trial_id) if request.trial_id.isdecimal() else -1
        record = self.ledger.records.get(number)
        if record is None:  # abort raises, but has no type that says so
            return context.abort(
                grpc.StatusCode.NOT_FOUND, f"no trial {request.trial_id!r}"
            )
        return protocol.trial_message(self.ledger.space, record, record.status)


def serve(ledger: Ledger, host: str, port: int) -> tuple[grpc.Server, int]:
    """Answer on an address; port 0 takes a free one.

    Returns:
        The running server and its port.

    Raises:
        SweepError: the address cannot be had.
    """
    server = grpc.server(
        futures.ThreadPoolExecutor(max_workers=8), options=protocol.OPTIONS
    )
    SERVICE.add_OracleServicer_to_server(Service(ledger), server)
    try:
        bound = server.add_insecure_port(f"{host}:{port}")
    except RuntimeError as error:
        raise SweepError(f"cannot listen on {host}:{port}: {error}") from error
    server.start()
    return server, bound


def obey(ledger: Ledger, line: str) -> None:
    """Do what a line of the supervisor says."""
    order = json.loads(line)
    if "fail" in order:
        report = Report(seconds=order["seconds"], message=order["message"])
        ledger.finish(order["fail"], report, failed=True)
    elif order.get("close"):
        ledger.closed = True


def main(arguments: list[str] | None = None) -> int:
    """Serve until the standard input ends."""
    parser = argparse.ArgumentParser(prog="keras_gru.tuning.chief")
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--host", required=True)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--failures", type=int, required=True)
    parser.add_argument("--after", type=int, required=True)
    parser.add_argument("--fresh", action="store_true")
    given = parser.parse_args(arguments)
    try:
        # One of a sweep that was killed may need a moment to notice.
        with lock(given.folder / "state" / "chief.lock", seconds=10.0):
            ledger = Ledger(
                given.folder,
                settings.read(given.folder),
                failures=given.failures,
                after=given.after,
                fresh=given.fresh,
            )
            server, port = serve(ledger, given.host, given.port)
            write_json(
                given.folder / ADDRESS,
                {"host": given.host, "port": port, "pid": os.getpid()},
            )
            threading.Thread(target=_watch, args=[ledger], daemon=True).start()
            for line in sys.stdin:
                obey(ledger, line)
            server.stop(grace=None)
    except SweepError as error:
        print(f"sweep: {error}", file=sys.stderr, flush=True)
        return WRONG
    return 0


def _watch(ledger: Ledger) -> None:
    """Requeue, for as long as the process lives, what silent workers have lost."""
    while True:
        threading.Event().wait(5.0)
        for trial_id in ledger.requeue_the_silent():
            note(f"trial {trial_id}: its worker is silent; someone else runs it")


if __name__ == "__main__":
    sys.exit(main())

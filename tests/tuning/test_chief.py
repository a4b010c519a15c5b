"""Chief and workers over the protocol, in one process."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import grpc
import keras_tuner
import pytest

from keras_gru.tuning import chief, joining, protocol
from keras_gru.tuning.connection import Connection
from keras_gru.tuning.errors import SweepError
from keras_gru.tuning.ledger import Ledger, Report
from keras_gru.tuning.proposals import with_values
from keras_gru.tuning.records import COMPLETED, FAILED, SEED, Record, trial_seed
from keras_gru.tuning.worker import work
from tests.tuning.models import HEIGHT, Parabola, Troubled, settings, space_of

pytestmark = pytest.mark.once


class Chief:
    """A chief that can be taken away and brought back at the same port."""

    def __init__(self, folder: Path, **changes: Any) -> None:
        self.folder = folder
        self.changes = changes
        self.port = 0
        self.start()

    def start(self) -> None:
        sweep = settings(**self.changes)
        self.ledger = Ledger(self.folder, sweep, failures=3)
        self.server, self.port = chief.serve(self.ledger, "127.0.0.1", self.port)

    def stop(self) -> None:
        self.server.stop(grace=None).wait()

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"


@pytest.fixture
def running(tmp_path: Path) -> Iterator[Chief]:
    found = Chief(tmp_path)
    yield found
    found.stop()


def test_a_worker_runs_all_trials(running: Chief, tmp_path: Path) -> None:
    connection = Connection(running.address, "w", patience=5.0)
    assert work(Parabola(), HEIGHT, connection, tmp_path, {}) == 8
    found = running.ledger.records
    assert [record.status for record in found.values()] == [COMPLETED] * 8
    for record in found.values():
        x = record.values["x"]
        assert record.metric == (x - 0.5) ** 2 + 1.0  # to the bit
        assert record.seed == trial_seed(3, record.number)
    assert space_names(running) == ["x", "variant"]


def space_names(running: Chief) -> list[str]:
    assert running.ledger.space is not None
    return [hp.name for hp in running.ledger.space.space]


def test_workers_survive_their_chief(tmp_path: Path) -> None:
    away = Chief(tmp_path)
    connection = Connection(away.address, "w", patience=20.0)
    connection.declare(space_of(Parabola()))
    given = connection.next()
    assert given is not None
    away.stop()
    back = threading.Timer(0.5, away.start)
    back.start()
    connection.finish(given[0], Report({"height": 1.0}), failed=False)
    back.join()
    record = away.ledger.records[0]
    assert (record.status, record.metric, record.starts) == (COMPLETED, 1.0, 1)
    away.stop()


def test_a_worker_gives_up_a_chief_that_stays_away(running: Chief) -> None:
    connection = Connection(running.address, "w", patience=0.3)
    running.stop()
    with pytest.raises(SweepError, match=f"no answer from {running.address} for 0 s"):
        connection.next()
    running.start()


def test_mistakes_reach_the_worker_as_they_are(running: Chief) -> None:
    connection = Connection(running.address, "w", patience=5.0)
    connection.declare(space_of(Parabola()))
    with pytest.raises(SweepError, match="the search space is another one than that"):
        connection.declare(space_of(Troubled()))
    with pytest.raises(SweepError, match="there is no trial '0042'"):
        connection.finish("0042", Report(), failed=True)


def test_what_fails_is_told(tmp_path: Path) -> None:
    running = Chief(tmp_path, tuner="grid", objective="score")
    model = Troubled(["raise", "nan", "fine", "memory", "exit", "again"])
    connection = Connection(running.address, "w", patience=5.0)
    objective = keras_tuner.Objective("score", "min")
    assert work(model, objective, connection, tmp_path, {}) == 6
    said = {
        r.values["mode"]: (r.status, re.sub(r"py:\d+", "py:LINE", r.message))
        for r in trials(running)
    }
    assert said == {
        "raise": (FAILED, "ValueError: the data are no good (models.py:LINE)"),
        "nan": (FAILED, "the objective 'score' is nan"),
        "fine": (COMPLETED, ""),
        "memory": (
            FAILED,
            "MemoryError: unable to allocate 64 TiB (models.py:LINE)",
        ),
        "exit": (FAILED, "SystemExit: bye (models.py:LINE)"),
        "again": (COMPLETED, ""),
    }
    running.stop()


def trials(running: Chief) -> list[Record]:
    return [record for _, record in sorted(running.ledger.records.items())]


def test_a_model_that_cannot_be_built_is_told_before_any_trial(
    running: Chief, tmp_path: Path
) -> None:
    class Broken:
        def build(self, hp: Any) -> None:
            raise TypeError("units must be\na number")

    connection = Connection(running.address, "w", patience=5.0)
    with pytest.raises(SweepError, match=r"built with \{\}: TypeError: units must"):
        work(Broken(), HEIGHT, connection, tmp_path, {})
    assert running.ledger.records == {}


def test_keras_tuners_own_worker_is_understood(running: Chief) -> None:
    """Its calls and their order, as in keras_tuner.Tuner.search."""
    running.ledger.declare(space_of(Parabola()))
    channel = grpc.insecure_channel(running.address)
    stub = protocol.SERVICE.OracleStub(channel)
    messages = protocol.MESSAGES
    space = keras_tuner.HyperParameters.from_proto(
        stub.GetSpace(messages.GetSpaceRequest()).hyperparameters
    )
    stub.UpdateSpace(messages.UpdateSpaceRequest(hyperparameters=space.to_proto()))
    answer = stub.CreateTrial(messages.CreateTrialRequest(tuner_id="theirs"))
    trial = keras_tuner.engine.trial.Trial.from_proto(answer.trial)
    stub.UpdateTrial(
        messages.UpdateTrialRequest(trial_id=trial.trial_id, metrics={"height": 2.0})
    )
    trial.status = "COMPLETED"
    stub.EndTrial(messages.EndTrialRequest(trial=trial.to_proto()))
    record = running.ledger.records[0]
    assert (record.status, record.metric) == (COMPLETED, 2.0)
    channel.close()


def test_join_works_for_a_sweep(running: Chief) -> None:
    done = joining.join(Parabola(), running.address, name="far", objective=HEIGHT)
    assert done == 8
    assert {record.worker for record in trials(running)} == {"far"}


@pytest.mark.parametrize(
    ("address", "name", "words"),
    [
        ("127.0.0.1", "far", "expected HOST:PORT"),
        (":", "far", "expected HOST or HOST:PORT"),
        ("127.0.0.1:70000", "far", "expected HOST or HOST:PORT"),
        ("127.0.0.1:7000", "", "expected a name of its own"),
        ("127.0.0.1:7000", "local-1", "not beginning with 'local-'"),
    ],
)
def test_join_refuses(address: str, name: str, words: str) -> None:
    with pytest.raises(SweepError, match=words):
        joining.join(Parabola(), address, name=name, objective=HEIGHT)


def test_a_port_that_is_taken(running: Chief, tmp_path: Path) -> None:
    """A second chief on the same port would share the workers of the first."""
    with pytest.raises(SweepError, match=f"cannot listen on {running.address}"):
        chief.serve(running.ledger, "127.0.0.1", running.port)


def test_orders_of_the_supervisor(running: Chief) -> None:
    book = running.ledger
    book.declare(space_of(Parabola()))
    given = book.next("w")
    assert isinstance(given, Record)
    order = {"fail": given.trial_id, "message": "too slow", "seconds": 9.0}
    chief.obey(book, json.dumps(order))
    record = book.records[given.number]
    assert (record.status, record.message, record.seconds) == (FAILED, "too slow", 9.0)


def test_the_space_keeps_its_order_over_the_protocol() -> None:
    space = keras_tuner.HyperParameters()
    space.Choice("a", ["x", "y"])
    space.Float("b", 0.1, 0.3)
    space.Fixed("c", 1)
    space.Int("d", 1, 3)
    sent = protocol.space_of(protocol.space_message(space))
    config = {**space.get_config(), "values": {}}
    assert sent.get_config() == config
    hp = with_values(space, {"b": 0.1, SEED: 5})
    trial = protocol.trial_message(space, Record(0, hp.values), "RUNNING")
    assert protocol.values_of(trial) == {"b": 0.1, SEED: 5}

"""Contenders of this backend, held against the oracle; a wrong one is seen."""

from __future__ import annotations

import keras
import pytest

from benchmarks import numbers
from benchmarks.contenders import PEERS, of_process
from benchmarks.contenders.keras_layers import KerasGRU, Ours
from benchmarks.rows import CONVENTIONS, Group, Shape
from benchmarks.worker import Worker

SHAPE = Shape(4, 5, 3, 6)  # more rows than are checked
GROUPS = {
    "inference": Group(SHAPE, True, "inference", 1, ("keep_before",)),
    "training": Group(SHAPE, True, "training", 1, ("replace_after",)),
    "generation": Group(Shape(1, 1, 3, 6), False, "generation", 1, ("keep_after",)),
}


@pytest.fixture(params=GROUPS)
def group(request):
    return GROUPS[request.param]


def prepared(worker, group, folder):
    file = folder / "numbers.npz"
    numbers.for_group(group, tuple(CONVENTIONS)).save(file)
    return worker.prepare(group.to_json(), str(file))


def test_contenders_are_right_and_can_be_timed(group, tmp_path):
    worker = Worker(of_process(keras.backend.backend()))
    records = prepared(worker, group, tmp_path)
    ours = [record for record in records if record["contender"] == "keras_gru"]
    assert [record["convention"] for record in ours] == list(group.conventions)
    assert all(record["kernel"] for record in ours)
    for record in records:
        if record["contender"] == "flax" and record["status"] == "absent":
            assert record["note"] == "not installed: flax"
            continue
        assert record["status"] == "ready", record
        assert record["error"] < 1e-5
        assert worker.time(record["key"], calls=2) > 0
    worker.release()
    assert worker.ready == {}


class OtherUpdateGate(Ours):
    """Wrong on purpose: z multiplies the other term."""

    def arguments(self, convention):
        arguments = super().arguments(convention)
        other = {"keep": "replace", "replace": "keep"}
        return arguments | {"update_gate": other[arguments["update_gate"]]}


class OtherBias(KerasGRU):
    """Wrong on purpose, by little."""

    def build(self, group, convention, given):
        given.bias[1, -1] += 0.01
        return super().build(group, convention, given)


@pytest.mark.parametrize(
    ("mode", "wrong"), [("inference", OtherUpdateGate), ("training", OtherBias)]
)
def test_a_wrong_contender_is_seen(mode, wrong, tmp_path):
    records = prepared(Worker([wrong()]), GROUPS[mode], tmp_path)
    assert records
    assert {record["status"] for record in records} == {"wrong"}
    assert "against the float64 oracle" in records[0]["note"]


class Broken(Ours):
    def layer(self, units, **arguments):
        raise RuntimeError("out\nof order")


def test_a_failure_is_told_in_one_line(tmp_path):
    records = prepared(Worker([Broken()]), GROUPS["generation"], tmp_path)
    assert {record["status"] for record in records} == {"failed"}
    assert records[0]["note"] == "RuntimeError: out of order"
    assert records[0]["is_ours"]


@pytest.mark.skipif(
    keras.backend.backend() != "torch", reason="the peers' process is one of torch"
)
def test_peers_are_right(group, tmp_path):
    records = prepared(Worker(of_process(PEERS)), group, tmp_path)
    status = {record["contender"]: record["status"] for record in records}
    assert status["sgemm large"] == "ready"
    if any(name.endswith("after") for name in group.conventions):
        assert status["torch.nn.GRU"] == "ready"
        assert status["torch.nn.GRU compiled"] == "absent"
    for record in records:
        if record["status"] == "absent":
            assert "not installed" in record["note"] or "compile" in record["note"]
        else:
            assert record["status"] == "ready", record

"""A whole session on this backend, with tiny shapes; and one that goes on."""

from __future__ import annotations

import keras

from benchmarks import growth, machine, results
from benchmarks import run as session
from benchmarks.__main__ import main
from benchmarks.check import WrongResult


def options(tmp_path):
    return session.Options(
        out=tmp_path,
        backends=(keras.backend.backend(),),
        patterns=("4x6x3x8/keep_after/masked/inference",),
        threads=(1,),
        minutes=0.01,
        quick=True,
    )


def test_a_session_measures_and_the_next_one_goes_on(tmp_path, capfd):
    path = session.run(options(tmp_path))
    assert path.name == f"quick_{machine.run_name()}.csv"
    rows = results.rows_table(path).rows
    ours = [row for row in rows if row["contender"] == "keras_gru"]
    assert len(ours) == 1
    assert ours[0]["ratio_to_keras"] > 0
    assert ours[0]["share_of_sgemm"] > 0
    assert ours[0]["repeats"] == 3
    assert ours[0]["error"] < 1e-4
    assert any(row["contender"] == "torch.nn.GRU" for row in rows)
    record = results.Sessions(path)
    assert record.sessions[0]["complete"]
    assert "not asked for" in str(record.sessions[0]["absent"])

    before = path.read_bytes()
    assert session.run(options(tmp_path)) == path
    assert path.read_bytes() == before
    assert "0 groups of rows" in capfd.readouterr().out


def test_a_wrong_contender_stops_the_session_and_its_report(
    tmp_path, monkeypatch, capsys
):
    def wrong(*arguments):
        raise WrongResult("keras_gru on this backend: relative error 1")

    # Nothing to compute: no group is asked for, and the length is made up.
    monkeypatch.setattr(growth, "measure", wrong)
    words = ["run", "--quick", "--rows", "growth/10", "--out", str(tmp_path)]
    assert main(words) == 1
    said = capsys.readouterr()
    assert "relative error 1" in said.err
    assert "Claims" not in said.out
    (path,) = tmp_path.glob("*.json")
    record = results.Sessions(path.with_suffix(".csv"))
    assert list(record.content["red"]) == ["growth/10/tensorflow"]
    assert not record.sessions[0]["complete"]
    assert main(["report", str(path.with_suffix(".csv"))]) == 1


def test_a_length_is_measured_and_checked():
    row = growth._measure_here(12)
    assert row["error"] < 1e-4
    assert row["seconds"] > 0
    assert row["peak_mib"] >= row["before_mib"] * 0.5
    assert row["kernel"]


def test_backends_are_named_right(capsys):
    assert main(["run", "--backends", "theano"]) == 1
    assert "theano" in capsys.readouterr().err


def test_the_machine_is_named():
    assert machine.slug().endswith(f"-{machine.cores()}cores")
    assert f"keras{keras.__version__}" in machine.run_name()
    others = machine.Quiet([]).others()
    assert others is None or 0 <= others <= 1

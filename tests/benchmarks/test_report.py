"""What is made of results: claims, tables, plots; and no report while red."""

from __future__ import annotations

import pytest

from benchmarks import growth, off_road, results, summary
from benchmarks.__main__ import main
from benchmarks.check import WrongResult
from benchmarks.report import report
from tests.benchmarks import made_up

pytestmark = pytest.mark.once


@pytest.fixture
def csv(tmp_path):
    path = tmp_path / "machine_keras1.csv"
    results.rows_table(path).add(made_up.rows())
    results.growth_table(path).add(made_up.growing())
    record = results.Sessions(path)
    record.content["machine"] = {"processor": {"name": "Abacus"}, "cores": 2}
    record.sessions.append(
        {
            "command": "python -m benchmarks run",
            "started": "today",
            "commit": "abc",
            "load_at_start": 0.0,
            "absent": {"flax (jax)": ["not installed: flax"]},
            "complete": True,
        }
    )
    record.save()
    return path


def claim(lines, *words, backend):
    (line,) = [
        line
        for line in lines
        if line.backend == backend and all(word in line.claim for word in words)
    ]
    return line


def test_rows_off_the_road_stand_in_the_report(tmp_path):
    """Also alone, and with a dash where a backend has no such case."""
    record = results.Sessions(tmp_path / "alone.csv")
    record.content["off_road"] = {
        "plain": {"jax": {"inference": 2.0, "training": 3.25}},
        "jit_compile=True": {"jax": {"inference": None, "training": None}},
        "first step, 200 steps": {"jax": {"keras": 1.0, "ours": 0.5}},
    }
    ratios, seconds = off_road.grids(record.content["off_road"])
    assert ratios.head == ["inference / training", "jax"]
    assert ratios.lines == [["plain", "2.00 / 3.25"], ["jit_compile=True", "–"]]
    assert seconds.lines == [["first step, 200 steps", "1.00 / 0.50"]]
    record.save()
    text, *_ = report(tmp_path / "alone.csv")
    assert "| plain | 2.00 / 3.25 |" in text.read_text()


def test_claims_are_evaluated():
    lines = summary.summarise(made_up.rows(ours=0.1, keras=0.3), made_up.growing())
    for mode in ("training", "inference"):
        mean = claim(lines, mode, "keras.layers", "geometric", backend="jax")
        assert mean.met
        assert mean.found == "3.00 (4 of 48 rows)"
        assert claim(lines, mode, "worst row", "faster", backend="torch").met
        assert claim(lines, mode, "torch.nn.GRU", backend="torch").met
        assert claim(lines, mode, "other conventions", backend="jax").met
    share = claim(lines, "inference", "sgemm", backend="jax")
    assert share.met is False  # 10 GFLOP in 0.1 s, where a product makes 200 a second
    assert share.found.startswith("50%")
    assert claim(lines, "training step of 100000", backend="jax").met
    assert claim(lines, "T^k", backend="jax").found == "1.00"
    assert claim(lines, "peak memory", backend="jax").found == "4.00 KiB"


def test_a_claim_that_is_missed_says_so():
    lines = summary.summarise(made_up.rows(ours=0.4, keras=0.3), [])
    worst = claim(lines, "training", "keras.layers", "worst", backend="jax")
    assert worst.met is False
    assert worst.found.startswith("0.75 (32x100x512x512 keep_after unmasked")


def test_masked_rows_are_held_against_the_unmasked():
    rows = made_up.rows(ours=0.1)
    masked = [row | {"masked": True, "median_s": 0.06} for row in rows]
    lines = summary.summarise([*rows, *masked], [])
    found = claim(lines, "inference", "masked row", backend="jax")
    assert found.met
    assert found.found.startswith("0.60 (worst 0.60, ")
    slow = [row | {"masked": True, "median_s": 0.09} for row in rows]
    lines = summary.summarise([*rows, *slow], [])
    assert claim(lines, "inference", "masked row", backend="jax").met is False


def test_growth_is_fitted():
    assert growth.exponent([10, 100, 1000], [3e2, 3e4, 3e6]) == pytest.approx(2)
    assert growth.slope([10, 20, 30], [7, 9, 11]) == pytest.approx(0.2)


def test_report_writes_tables_and_plots(csv, capsys):
    files = report(csv)
    assert [file.suffix for file in files] == [".md", ".png", ".png", ".png"]
    assert all(file.stat().st_size > 0 for file in files)
    text = files[0].read_text()
    shown = capsys.readouterr().out
    for words in ("32x100x512x512", "not installed: flax", "200", "native_cpu"):
        assert words in text
        assert words in shown
    assert "Abacus" in text
    assert "| 32x100x512x512 | keep_after | no | 100 (3.0×) |" in text
    assert "![machine_keras1_growth]" in text


def test_no_report_while_the_check_is_red(csv, capsys):
    record = results.Sessions(csv)
    record.content["red"] = {"some group": "keras_gru on jax: relative error 1"}
    record.save()
    with pytest.raises(WrongResult, match=r"(?s)some group.*relative error 1"):
        report(csv)
    assert main(["report", str(csv)]) == 1
    said = capsys.readouterr()
    assert said.out == ""
    assert "relative error 1" in said.err
    assert not csv.with_suffix(".md").exists()


def test_no_report_of_nothing(tmp_path, capsys):
    assert main(["report", str(tmp_path / "none.csv")]) == 1
    assert "There are no results in" in capsys.readouterr().err

"""Studies: equal sizes, trainings that are not done twice, tables."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from benchmarks.studies import __main__ as command
from benchmarks.studies import conventions, trainings
from benchmarks.studies.conventions import COMMON, KINDS, TOLERANCE
from zoo.errors import ZooError
from zoo.files import write_hashed
from zoo.speech import synthetic

pytestmark = pytest.mark.once
Row = Mapping[str, Any]


def test_all_kinds_have_as_many_parameters() -> None:
    counts = [
        conventions.parameters(KINDS[kind], units, 65)
        for kind, units in conventions.equal_units(256, 65).items()
    ]
    assert len(counts) == 6
    assert max(counts) - min(counts) <= 2 * TOLERANCE * counts[0]
    with pytest.raises(ZooError, match="expected at most 1%: more --units"):
        conventions.equal_units(4, 65)


@pytest.mark.parametrize("kind", list(KINDS))
def test_parameters_are_those_of_the_model(kind: str) -> None:
    from dataclasses import replace

    from zoo.language_model.model import build

    config = replace(COMMON, units=9, vocabulary_size=7, **KINDS[kind].options)
    assert build(config).count_params() == conventions.parameters(KINDS[kind], 9, 7)


class Trainings:
    """In place of the processes: trainings that end, are killed, or fail."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.commands: list[list[str]] = []
        self.codes: dict[int, int] = {}  # number of the training -> its exit code
        patch.setattr(subprocess, "run", self.run)

    def run(self, words: list[str], **options: object) -> Any:
        self.commands.append(words)
        code = self.codes.get(len(self.commands), 0)
        (out,) = (Path(word[6:]) for word in words if word.startswith("--out="))
        out.mkdir(parents=True, exist_ok=True)
        (out / "settings.json").touch()
        ended = {0: "finished", 1: "TrainingFailed: the loss was nan"}.get(code)
        if ended:
            start = {"command": "c", "machine": "m", "code": "v", "ended": ended}
            (out / "starts.jsonl").write_text(json.dumps(start))
        if code == 0:
            figure = len(self.commands) / 10
            names = ("validation_nats", "validation_accuracy", "test_accuracy")
            facts = {**dict.fromkeys(names, figure), "seconds": 2, "parameters": 9}
            write_hashed(out / "result.json", facts)
        return subprocess.CompletedProcess(words, code)


def test_speakers_go_on_where_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = Trainings(monkeypatch)
    done.codes[3] = -9
    words = ["speakers", "--dataset", "synthetic", "--out", str(tmp_path)]
    assert command.main(words) == 2
    told = capsys.readouterr().err
    assert f"the training in {tmp_path / 'child'} ended with exit code -9" in told
    assert command.main([*words, "--units", "9"]) == 0
    assert "mean of 6: 0.4167" in capsys.readouterr().out
    lines = (tmp_path / "speakers.csv").read_text().splitlines()
    voices = [voice.name for voice in synthetic.VOICES]
    assert [line.partition(",")[0] for line in lines] == ["speaker", *voices]
    assert len(done.commands) == 3 + 4  # those that had ended were not trained again
    assert done.commands[-1][-3:-1] == ["--units", "9"]  # as what it does not know
    resumed = ["--resume" in words for words in done.commands]
    assert resumed == [False, False, False, True, False, False, False]


def test_conventions_train_each_kind_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    done = Trainings(monkeypatch)
    done.codes[5] = 1
    words = ["conventions", "--dataset", "stdlib", "--units", "96", "--seeds", "1"]
    words += ["--learning-rate", "0.01", "--epochs", "3", "--out", str(tmp_path)]
    assert command.main(words) == 0
    assert len(done.commands) == len(KINDS)
    for words_of_one, kind in zip(done.commands, KINDS.values(), strict=True):
        assert words_of_one[3:5] == ["train", "language_model"]
        assert {f"--{name}={value}" for name, value in kind.options.items()} < {
            *words_of_one
        }
        assert "--learning-rate=0.01" in words_of_one
        assert words_of_one[-3:-1] == ["--epochs", "3"]
    assert "LSTM, rate 0.01, seed 0: TrainingFailed" in capsys.readouterr().out
    table = (tmp_path / "conventions.md").read_text()
    assert all(f"| {kind} | " in table for kind in KINDS)
    assert (tmp_path / "conventions.png").read_bytes().startswith(b"\x89PNG")
    assert command.main(words) == 0
    assert len(done.commands) == len(KINDS)  # nor what failed


def _row(kind: str, rate: float, nats: float | None) -> Row:
    return {
        "kind": kind,
        "units": 9,
        "parameters": 1000,
        "learning_rate": rate,
        "nats": nats,
        "error": "nan" if nats is None else "",
    }


def test_each_kind_is_told_at_its_best_rate() -> None:
    rows = [
        _row("LSTM", 0.1, 1.0),
        _row("LSTM", 0.1, 3.0),
        _row("LSTM", 0.2, 1.5),
        _row("LSTM", 0.2, 1.7),
        _row("LSTM", 0.3, None),
        _row("LSTM", 0.3, 0.5),
        _row("SimpleRNN", 0.1, None),
    ]
    table = conventions.table(conventions.at_best_rate(rows))
    assert "| LSTM | 9 | 1000 | 0.2 | 2 | 1.6000 ± 0.1414 | 1.5000 – 1.7000 |" in table
    assert "0, 1 failed | none was finite" in table


def test_mistakes_are_one_line(capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["conventions", "--seeds", "x"]) == 2
    assert command.main(["speakers", "--dataset", "x"]) == 2
    assert command.main(["conventions", "--dataset", "x"]) == 2
    assert capsys.readouterr().err.count("\n") == 3


def test_words_of_options(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    done = Trainings(monkeypatch)
    result = trainings.train("speech", {"hold_out": "x"}, ["--task"], tmp_path / "a")
    assert result["command"] == "c"
    assert done.commands[0][5:7] == ["--hold-out=x", "--task"]

"""The study of music: the paper's sizes, every row and seed, tables that grow."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.studies import __main__ as command
from benchmarks.studies import music, trainings
from benchmarks.studies.music import (
    CONVENTIONS,
    DATASETS,
    KINDS,
    LARGE,
    ROWS,
    SMALL,
    TRANSPOSED,
    WIDER,
)
from zoo.config import from_json
from zoo.polyphonic_music.config import SIZES, Config
from zoo.polyphonic_music.model import build

pytestmark = pytest.mark.once


def test_the_sizes_are_those_of_the_paper() -> None:
    units = [row.options["units"] for row in KINDS]
    assert units == [46, 36, 100]
    counts = {
        row.name: build(from_json(Config, row.options)).count_params()
        for row in (*KINDS, *CONVENTIONS)
    }
    assert counts["LSTM"] == 4 * 36 * (88 + 36 + 1) + 88 * 37
    assert counts["tanh"] == 100 * (88 + 100 + 1) + 88 * 101
    of_gru = [count for name, count in counts.items() if name.startswith("GRU")]
    assert max(of_gru) - min(of_gru) == 3 * 46  # the second bias of "after"


def test_what_matters_most_comes_first_and_nothing_twice() -> None:
    jobs = music.jobs(5)
    assert [(row.name, dataset) for row, dataset, _ in jobs[:4]] == [
        (KINDS[0].name, dataset) for dataset in DATASETS
    ]
    assert len({(row.name, dataset, seed) for row, dataset, seed in jobs}) == len(jobs)
    for row in (*KINDS, *CONVENTIONS, WIDER):
        for dataset in SMALL:
            seeds = [one[2] for one in jobs if (one[0], one[1]) == (row, dataset)]
            assert sorted(seeds) == [0, 1, 2, 3, 4]
    for row in (*KINDS, WIDER):
        for dataset in LARGE:
            assert (row, dataset, 0) in jobs
    assert [one[1:] for one in jobs if one[0] == TRANSPOSED] == [("jsb_chorales", 0)]


def test_every_row_can_be_trained() -> None:
    for row, dataset, _ in music.jobs(1):
        options = {**music.COMMON[dataset], **row.options, **row.of.get(dataset, {})}
        size = SIZES[options.pop("size", "tiny")]
        from_json(Config, {**vars(size), **options})
        assert options.keys() <= vars(size).keys()


def test_the_study_is_a_table_and_a_picture(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    done: list[dict[str, object]] = []

    def train(program: str, options: dict, more: tuple, out: Path) -> dict:
        assert program == "polyphonic_music"
        assert more == ("--backend", "jax")
        done.append(options)
        facts = {"parameters": 1234, "seconds": 1.0, "command": "c", "machine": "m"}
        if options["seed"] == 1 and options.get("kind") == "tanh":
            return {**facts, "error": "TrainingFailed: the loss was nan"}
        figure = 8.0 + 2 * options["seed"]
        figures = {"test_nats": figure, "test_nats_after_first": figure - 1}
        return {**facts, **figures, "error": ""}

    pictures: list[Path] = []
    draw = music.draw
    monkeypatch.setattr(music, "draw", lambda found, path: pictures.append(path))
    monkeypatch.setattr(trainings, "train", train)
    words = ["music", "--seeds", "2", "--out", str(tmp_path), "--backend", "jax"]
    assert command.main(words) == 0
    assert len(done) == len(music.jobs(2))
    lines = (tmp_path / "music.md").read_text().splitlines()
    assert len(lines) == 2 + 2 * len(ROWS) + len(music.PUBLISHED)
    gru = "| 9.000 ± 1.414 (2) | 9.000 ± 1.414 (2) | 8.000 | 8.000 |"
    assert lines[2] == f"| {KINDS[0].name} | 1,234 {gru}"
    assert lines[3].endswith(
        "| 8.000 ± 1.414 (2) | 8.000 ± 1.414 (2) | 7.000 | 7.000 |"
    )
    assert lines[6] == "| tanh | 1,234 | 8.000 | 8.000 | 8.000 | 8.000 |"
    assert lines[-2].endswith("| 8.43 | 3.46 |  |  |")
    rows = json.loads((tmp_path / "rows.json").read_text())
    assert len(rows) == len(done)
    assert {row["seed"] for row in rows} == {0, 1}
    assert pictures == [tmp_path / "music.png"] * len(done)  # it grows too
    draw(rows, pictures[0])
    assert (tmp_path / "music.png").read_bytes().startswith(b"\x89PNG")

"""Kill and resume: the same final weights, to the bit, dropout on."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from tests.zoo.conftest import Zoo, killed, table
from zoo.__main__ import main
from zoo.files import read_hashed, write_hashed
from zoo.training import ExactResume, runs
from zoo.training.runs import RunFolder

FIELDS = ("final_weights_sha256", "best_weights_sha256", "validation_nats", "steps")


def _result(run: Path) -> dict[str, object]:
    result = json.loads((run / "result.json").read_text())
    return {name: result[name] for name in FIELDS}


def test_a_killed_training_ends_with_the_same_weights(
    zoo: Zoo, text_file: Path, trained: Path, tmp_path: Path
) -> None:
    """A real SIGKILL, somewhere behind the third batch, in another process."""
    out = tmp_path / "killed"
    killed("tests.zoo.tiny_zoo", out, "train", "language_model", "--text", text_file)
    outcome = zoo("train", "language_model", "--out", out, "--resume")
    assert outcome.code == 0, outcome.err
    assert _result(out) == _result(trained)
    # As are the figures on the way, but for the seconds.
    histories = [
        [{**entry, "seconds": ""} for entry in table(run / "history.csv")]
        for run in (out, trained)
    ]
    assert histories[0] == histories[1]


class _Stop(Exception):
    """Stands for the kill where a process of its own would only cost time."""


def _train_until(step: int, *arguments: object) -> None:
    """Train in this process and stop hard when `step` batches are done."""
    save = ExactResume._save

    def saved(self: ExactResume, epoch: int, batch: int) -> None:
        save(self, epoch, batch)
        if epoch * self.data.batches + batch >= step:
            raise _Stop

    command = ["train", "language_model", "--checkpoint-seconds", "0"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(ExactResume, "_save", saved)
        with pytest.raises(_Stop):
            main([*command, *(str(argument) for argument in arguments)])


@pytest.fixture(scope="module")
def stopped_once(text_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "stopped"
    _train_until(29, "--text", text_file, "--out", out)
    return out


@pytest.fixture
def stopped(stopped_once: Path, tmp_path: Path) -> Path:
    """A run that was stopped behind its first epoch and its second validation."""
    return Path(shutil.copytree(stopped_once, tmp_path / "stopped"))


@pytest.mark.once
def test_resume_in_the_second_epoch(zoo: Zoo, stopped: Path, trained: Path) -> None:
    assert zoo("train", "language_model", "--out", stopped, "--resume").code == 0
    assert _result(stopped) == _result(trained)
    first, second = RunFolder(stopped).read_starts()
    assert first["ended"] != second["ended"] == "finished"


@pytest.mark.once
def test_a_damaged_checkpoint_is_told_and_the_one_before_used(
    zoo: Zoo, stopped: Path, trained: Path
) -> None:
    newest = max((stopped / "checkpoints").iterdir())
    newest.write_bytes(newest.read_bytes()[:1000])
    (stopped / "best.weights.h5").unlink()  # each checkpoint has the best weights too
    outcome = zoo("train", "language_model", "--out", stopped, "--resume")
    assert outcome.code == 0
    assert f"{newest} is damaged; going on from the one before it" in outcome.err
    assert _result(stopped) == _result(trained)


@pytest.mark.once
def test_where_all_checkpoints_are_damaged_nothing_is_made_up(
    zoo: Zoo, stopped: Path
) -> None:
    for path in (stopped / "checkpoints").iterdir():
        path.write_bytes(b"")
    outcome = zoo("train", "language_model", "--out", stopped, "--resume")
    assert outcome.code == 2
    assert "every checkpoint in" in outcome.err


@pytest.mark.once
@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--seed", 5), "seed was 0, now 5"),
        (("--epochs", 9), "epochs was 2, now 9"),
        (("--size", "small"), "size was 'tiny', now 'small'"),
        (("--variant", "chung2014"), "variant was 'keras', now 'chung2014'"),
        (("--dataset", "stdlib"), "dataset was None, now 'stdlib'"),
        (("--seed", 5, "--epochs", 9), "seed was 0, now 5; epochs was 2, now 9"),
    ],
)
def test_resume_with_other_settings_names_them(
    zoo: Zoo, trained: Path, arguments: tuple[object, ...], words: str
) -> None:
    outcome = zoo("train", "language_model", "--out", trained, "--resume", *arguments)
    assert outcome.code == 2
    assert words in outcome.err
    assert outcome.err.count("\n") == 1


def test_resume_with_the_same_settings_typed_again(
    zoo: Zoo, trained: Path, text_file: Path
) -> None:
    outcome = zoo(
        *("train", "language_model", "--out", trained, "--resume"),
        *("--seed", 0, "--size", "tiny", "--text", text_file),
    )
    assert outcome.code == 0
    assert "is already finished" in outcome.out


@pytest.mark.once
def test_resume_on_a_changed_text(
    zoo: Zoo, stopped: Path, text_file: Path, tmp_path: Path
) -> None:
    settings = read_hashed(stopped / "settings.json")
    changed = tmp_path / "changed.txt"
    changed.write_text(text_file.read_text() + "more")
    settings["settings"]["text"] = str(changed)
    write_hashed(stopped / "settings.json", settings)
    for arguments in (
        ("train", "language_model", "--resume", "--out", stopped),
        ("evaluate", "language_model", stopped),
    ):
        outcome = zoo(*arguments)
        assert outcome.code == 2
        assert "was trained on other data" in outcome.err


@pytest.mark.once
def test_resume_with_other_code_says_that_bits_may_differ(
    zoo: Zoo, stopped: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    same = zoo("train", "language_model", "--resume", "--out", stopped)
    assert "note: begun with" not in same.err
    monkeypatch.setattr(runs, "commit", lambda: "another")
    other = zoo("train", "language_model", "--resume", "--out", stopped)
    assert other.code == 0
    assert "note: begun with" in other.err
    assert "commit another: the weights may differ in their last bits" in other.err


@pytest.mark.once
def test_resume_where_nothing_was_begun(zoo: Zoo, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for folder in (tmp_path / "empty", tmp_path / "absent"):
        outcome = zoo("train", "language_model", "--out", folder, "--resume")
        assert outcome.code == 2
        assert "is not a run folder" in outcome.err


def test_a_moved_run_is_as_good(zoo: Zoo, trained: Path, tmp_path: Path) -> None:
    moved = tmp_path / "moved"
    shutil.copytree(trained, moved)
    outcome = zoo("evaluate", "language_model", moved, "--json")
    assert json.loads(outcome.out)["nats"] == pytest.approx(
        _result(trained)["validation_nats"], abs=1e-6
    )
